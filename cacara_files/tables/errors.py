"""The error of a table that cannot be read; whoever reads one turns it into an error of their own."""


class TableError(ValueError):
    """A table cannot be read; the message says what was found and what is wanted, in one line."""
