"""The Recordings tab: where in an hour of tape something is to be heard."""
