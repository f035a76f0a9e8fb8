"""The Compare tab: one thing, many languages, and what the model makes of each word."""
