"""AMR frames (3GPP TS 26.101 and 26.201): speech, and the pauses that FFmpeg's decoders do not know.

A phone that sends nothing while nobody speaks (DTX) stores a short frame that describes the noise of the room, then
empty ones. FFmpeg calls both an error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

FRAME_SECONDS = 0.02


@dataclasses.dataclass(frozen=True)
class AmrKind:
    """One of the two codecs.

    Attributes:
        rate_hz: Sample rate of its sound.
        sizes: Bytes of a frame with its first byte, by the type that this byte names.
        pauses: The types of frames that hold no speech.
    """

    rate_hz: int
    sizes: tuple[int, ...]
    pauses: frozenset[int]


KINDS: Mapping[str, AmrKind] = {
    "amrnb": AmrKind(8000, (13, 14, 16, 18, 20, 21, 27, 32, 6, 7, 6, 6, 1, 1, 1, 1), frozenset({8, 9, 10, 11, 15})),
    "amrwb": AmrKind(16000, (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 1, 1, 1, 1, 1, 1), frozenset({9, 14, 15})),
}
"""By FFmpeg's name of the codec."""


def frames(content: bytes, kind: AmrKind) -> Iterator[tuple[bytes, bool]]:
    """Yield the frames of a packet, each with whether it is a pause; what is too short for a frame is the last one."""
    start = 0
    while start < len(content):
        frame_type = content[start] >> 3 & 15
        end = start + kind.sizes[frame_type]
        yield content[start:end], frame_type in kind.pauses
        start = end
