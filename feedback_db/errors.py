"""The one family of errors of this package."""


class FeedbackError(Exception):
    """Feedback could not be taken, stored or read; the text is safe to show to a user."""


class StaleAnswerError(FeedbackError):
    """An answer was given to what no longer stands, as from a second tab; nothing was stored.

    Attributes:
        standing: The id of the answer that counts now; empty when none does any more.
    """

    def __init__(self, message: str, standing: str) -> None:
        super().__init__(message)
        self.standing = standing
