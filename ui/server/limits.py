"""Limits for each visitor, so that the others are answered too: settings with safe defaults, and their counters."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import threading
import time
from collections.abc import Callable

KNOWN_ADDRESSES = 20_000
"""So many addresses, and as many sessions, are remembered; the one longest unseen is forgotten first."""

MOST = 10_000_000
HOUR = 3600.0
MINUTE = 60.0
BURST_SECONDS = 20.0
"""After a pause, a visitor may use at once the allowance of this time."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of a visitor. A session is an open page; an address is a machine, or all behind one router.

    Attributes:
        session_per_minute: Questions of one session a minute. A page that listens live or waits for a model asks one
            a second.
        address_per_minute: Questions of one address a minute.
        address_open: Requests of one address that are open at once; an open page holds one or two.
        address_upload_mb_per_hour: MiB that one address may send an hour.
        json_mb: The longest question, in MiB.
        upload_mb: The largest request with files, in MiB; long recordings have a limit of their own.
        idle_seconds: Longest pause in the content of a request.
        spare_disk_mb: So much of the disk stays free: what would fill it is refused.
        proxies: Number of trusted proxies in front, which state the visitor's address.
    """

    session_per_minute: int = 300
    address_per_minute: int = 1_500
    address_open: int = 256
    address_upload_mb_per_hour: int = 4_096
    json_mb: int = 8
    upload_mb: int = 64
    idle_seconds: float = 30.0
    spare_disk_mb: int = 512
    proxies: int = 0


def add_flags(parser: argparse.ArgumentParser, defaults: Limits) -> None:
    """Give a command line a flag for each limit that operators change.

    Args:
        parser: The command line.
        defaults: Limits where a flag is not given.
    """
    flags = {
        "session_per_minute": "questions of one open page a minute",
        "address_per_minute": "questions of one address a minute",
        "address_upload_mb_per_hour": "MiB that one address may send an hour",
        "proxies": "trusted proxies in front of the app, which state the visitor's address",
    }
    group = parser.add_argument_group("limits", "requests beyond them are told to wait")
    for name, text in flags.items():
        flag, default = f"--{name.replace('_', '-')}", getattr(defaults, name)
        kind = _count_or_none if name == "proxies" else _count
        group.add_argument(flag, type=kind, default=default, metavar="N", help=f"{text} (%(default)s)")


def from_flags(given: dict[str, object], defaults: Limits) -> Limits:
    """Take the limits out of parsed flags and return them.

    Args:
        given: Parsed flags by name; those of ``add_flags`` are removed.
        defaults: The other limits.
    """
    names = [field.name for field in dataclasses.fields(Limits) if field.name in given]
    changed = {name: given.pop(name) for name in names}
    return dataclasses.replace(defaults, **changed)  # type: ignore[arg-type]


class Allowance:
    """Grants so much a time to each key, with bursts; safe for many threads. It remembers a bounded number of keys."""

    def __init__(
        self, amount: float, seconds: float, burst: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Make one that has granted nothing.

        Args:
            amount: What is granted in ``seconds``.
            seconds: That time.
            burst: What may be taken at once after a pause; None takes ``amount``.
            clock: Seconds that never go back.
        """
        self._rate = amount / seconds
        self._burst = amount if burst is None else burst
        self._clock = clock
        self._left: collections.OrderedDict[str, tuple[float, float]] = collections.OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, amount: float = 1.0) -> float:
        """Take an amount if it is there, and return 0; else take nothing and return the seconds until it is.

        Args:
            key: Who takes.
            amount: How much; what is more than a burst is granted to whoever has taken nothing lately.
        """
        wanted = min(amount, self._burst)
        with self._lock:
            left, now = self._left_of(key)
            granted = left >= wanted
            self._left[key] = (left - amount if granted else left, now)
            self._left.move_to_end(key)
            while len(self._left) > KNOWN_ADDRESSES:
                self._left.popitem(last=False)
        return 0.0 if granted else max(0.001, (wanted - left) / self._rate)

    def wait(self, key: str) -> float:
        """Return the seconds until one may be taken, 0 for now; nothing is taken."""
        with self._lock:
            left, _ = self._left_of(key)
        return max(0.0, (1.0 - left) / self._rate)

    def _left_of(self, key: str) -> tuple[float, float]:
        now = self._clock()
        left, before = self._left.get(key, (self._burst, now))
        return min(self._burst, left + (now - before) * self._rate), now


class OpenCounter:
    """Counts what is open for each key; safe for many threads."""

    def __init__(self, most: int) -> None:
        """Make one with nothing open.

        Args:
            most: So many may be open for one key.
        """
        self._most = most
        self._open: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()

    def enter(self, key: str) -> bool:
        """Count one more if there is room, and return whether there was."""
        with self._lock:
            if self._open[key] >= self._most:
                return False
            self._open[key] += 1
            return True

    def leave(self, key: str) -> None:
        """Count one less."""
        with self._lock:
            self._open[key] -= 1
            if self._open[key] <= 0:
                del self._open[key]


def _count(text: str, least: int = 1) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not least <= number <= MOST:
        raise argparse.ArgumentTypeError(f"found {text!r:.40}, wanted a whole number from {least} to {MOST:,}")
    return number


def _count_or_none(text: str) -> int:
    return _count(text, least=0)
