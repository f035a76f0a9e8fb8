"""The text side of a model: giving it a lexical memory."""
