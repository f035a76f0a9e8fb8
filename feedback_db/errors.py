"""The one family of errors of this package."""


class FeedbackError(Exception):
    """Feedback could not be taken, stored or read; the text is safe to show to a user."""
