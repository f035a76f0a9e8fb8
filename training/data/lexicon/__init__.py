"""The lexicon of all sources, and the table of it that models carry."""
