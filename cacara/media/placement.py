"""Places of decoded sound in time, as a player counts it: silence where a file has none, a warning where none is known.

Zero is the beginning of the file: the earliest time stamp of all its tracks, as in mpv, VLC and ELAN. A track that
starts later, and packets that are missing, leave a gap, which is filled so that a sample's number is its time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

TOLERANCE_SECONDS = 0.1
"""Rounded time stamps and the padding of encoders differ by less; a larger gap is filled."""

MAX_LAG_SECONDS = 1.0
"""So far time stamps may stay behind the sound, as those of a slow clock do, before they count as a jump."""

MAX_GAP_SECONDS = 86_400.0
"""No gap of more than a day is believed, whatever a header states."""

MAX_UNDECLARED_SECONDS = 600.0
"""The longest gap that is believed of a file whose header states no length that would hold it."""

FRAME_BYTES: Mapping[str, int] = {"mp3": 2048}
"""Formats without time stamps of their own: no frame of theirs is larger, so what is larger holds damage."""

UNTIMED = ("aac", "amr")
"""Formats without time stamps whose damage has no known length: FFmpeg does not tell how many bytes it skips."""

_TAGS = (b"ID3", b"APETAGEX")


class Placement:
    """The clock of a file: how much silence belongs before each stretch of its sound.

    Attributes:
        position: Seconds that were placed, silence among them.
        lead: Seconds of silence before the first sound.
        silent: Seconds of silence that were placed, with the lead.
        jump: Position of the first time stamp that could not be followed, or None.
        beyond: Whether sound was left out because its time lies behind the last second that is wanted.
    """

    def __init__(self, start: float | None, most_seconds: float) -> None:
        """Begin at zero.

        Args:
            start: The time stamp of the file's beginning; that of the first sound where None.
            most_seconds: Nothing is placed later.
        """
        self._start = start
        self._most = most_seconds
        self.position = self.lead = self.silent = 0.0
        self.jump: float | None = None
        self.beyond = False

    def silence_before(self, moment: float | None, declared: Callable[[], float] = lambda: 0.0) -> float:
        """Return how many seconds of silence belong before the next sound, and count them.

        Args:
            moment: The sound's time stamp in seconds; None follows on the sound before.
            declared: Gives the length that the file states, in seconds from its beginning, or 0 if it states none.
        """
        if moment is None:
            return 0.0
        if self._start is None:
            self._start = moment
        gap = moment - self._start - self.position
        if -MAX_LAG_SECONDS <= gap <= TOLERANCE_SECONDS:
            return 0.0
        if gap < 0 or not self._is_credible(gap, declared()):
            return self._follow(gap)
        if self.position + gap >= self._most:
            if self.position < 1:  # rather heard at a wrong time than not at all
                return self._follow(gap)
            self.beyond = True
            return 0.0
        if not self.position:
            self.lead = gap
        self.position += gap
        self.silent += gap
        return gap

    def add(self, seconds: float) -> None:
        """Count sound that was placed."""
        self.position += seconds

    def lose(self) -> None:
        """Note that from here on times are not known."""
        self.jump = self.position if self.jump is None else self.jump

    def _is_credible(self, gap: float, declared: float) -> bool:
        if gap > MAX_GAP_SECONDS:
            return False
        if declared > self.position + 1:
            return self.position + gap <= 1.02 * declared + 1
        return gap <= MAX_UNDECLARED_SECONDS

    def _follow(self, gap: float) -> float:
        """Go on without silence, and count the time stamps that follow from here."""
        assert self._start is not None
        self._start += gap
        self.lose()
        return 0.0


class LostBytes:
    """The time that damage takes from a format without time stamps, by its bytes.

    FFmpeg counts the frames that it finds in such a file, so damage of any length takes the time of one frame.

    Attributes:
        seconds: How much later the sound is than the count of frames says.
    """

    def __init__(self, container: str) -> None:
        """Begin a file.

        Args:
            container: FFmpeg's name of the format; for one that is not in ``FRAME_BYTES`` nothing is ever lost.
        """
        self._most = FRAME_BYTES.get(container)
        self._bytes = self._duration = self.seconds = 0.0

    def add(self, content: bytes, seconds: float, decoded: bool) -> None:
        """Count a packet.

        Args:
            content: Its bytes.
            seconds: How long it counts.
            decoded: Whether it gave sound.
        """
        if self._most is None or not content or seconds <= 0:
            return
        large = len(content) > self._most
        if decoded and not large:
            self._bytes += len(content)
            self._duration += seconds
        elif self._bytes and not (
            large and any(tag in content for tag in _TAGS)
        ):  # a tag between two songs is no sound
            self.seconds += len(content) * self._duration / self._bytes - seconds
