"""The text side trained on translations."""
