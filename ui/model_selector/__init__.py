"""Choosing the model that answers: the bundled ones and the promoted ones."""
