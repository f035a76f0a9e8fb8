"""A small drawing of each sound: made once, kept in the cache beside the embeddings."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cacara import sources
from cacara_files import atomic

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from cacara.galleries.manifest import Clip

BARS = 96
HEIGHT = 32
LOUDEST = 0.05
"""A sound whose peak is below this is drawn small; others fill the height, as loudness is set by the recording."""

logger = logging.getLogger(__name__)


def drawing(clip: Clip) -> str:
    """Return a clip's waveform as an SVG; the same sound gives the same bytes.

    Raises:
        AudioError: The sound cannot be read.
    """
    path = sources.cache_folder() / "drawings" / f"{clip.sha256}.svg"
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        pass
    from cacara.media import audio

    recording = audio.load(clip.path, audio.GALLERY_LIMITS)
    made = draw(audio.peaks(_outline(clip.path) if recording.cut else recording.waveform, BARS))
    try:
        atomic.write_text(path, made)
    except OSError as error:  # a full disk costs a moment at the next look, nothing else
        logger.warning("a waveform is not cached: %s", error)
    return made


def _outline(path: Path) -> npt.NDArray[np.float32]:
    """Return the lowest and the highest sample of each tenth of a second of a long sound, in turn.

    All of it, not what is searched: the drawing stands for the length that the player has.
    """
    import numpy as np

    from cacara.media import audio, streaming

    tenth = audio.SAMPLE_RATE_HZ // 10
    pieces = [np.zeros(0, np.float32)]
    for block in streaming.blocks(path):
        starts = np.arange(0, block.size, tenth)
        extremes = [np.minimum.reduceat(block, starts), np.maximum.reduceat(block, starts)]
        pieces.append(np.stack(extremes, axis=1).ravel())
    return np.concatenate(pieces)


def draw(peaks: npt.NDArray[np.float32]) -> str:
    """Return peaks as one path of upright bars.

    Args:
        peaks: float32 [bars, 2] in [-1, 1]: the lowest and highest sample of each stretch.
    """
    middle = HEIGHT / 2
    loudest = max(float(abs(peaks).max(initial=0.0)), LOUDEST)
    bars = []
    for number, (low, high) in enumerate(peaks / loudest):
        top = middle - max(float(high), 0.0) * (middle - 1)
        bottom = middle - min(float(low), 0.0) * (middle - 1)
        bars.append(f"M{3 * number}.5 {min(top, middle - 0.5):.1f}V{max(bottom, middle + 0.5):.1f}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {3 * len(bars)} {HEIGHT}" preserveAspectRatio="none">'
        f'<path d="{"".join(bars)}" fill="none" stroke="#000" stroke-width="2"/></svg>\n'
    )
