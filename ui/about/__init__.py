"""The About tab: the models, what is stored and why, how to have it deleted, versions and licences."""
