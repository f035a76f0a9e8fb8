"""Films made of pictures: a pan with a zoom over each, coded and decoded as an uploaded film is.

They show nothing that moves, so what is measured with them is how a film is taken in (its coding, the choice of 12
frames, cut pieces of the thing, the mean of embeddings), not how well a model follows what happens.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from cacara.errors import ImageError
from cacara.media import video

SECONDS, RATE = 3, 12
SIDE = 224
"""The longest side of a frame, in pixels."""
NEAREST = 0.5
"""The share of the picture's sides that is to be seen at the beginning, in its upper left; at the end it is whole."""


def frames_of(pixels: np.ndarray) -> list[np.ndarray]:
    """Return the 12 frames by which the film of a picture is searched.

    Args:
        pixels: uint8 [height, width, 3].

    Returns:
        uint8 [height, width, 3] each, at most ``SIDE`` long.

    Raises:
        ImageError: The film does not give as many.
    """
    found = video.decode(io.BytesIO(film(pixels)), video.UPLOAD_LIMITS)  # type: ignore[arg-type]
    if len(found) != video.FRAMES:
        raise ImageError(f"a film made of a picture gives {len(found)} frames; wanted {video.FRAMES}")
    return found


def film(pixels: np.ndarray) -> bytes:
    """Return a film that begins near the upper left of a picture and draws back until all of it is seen, MPEG-4 in AVI.

    Args:
        pixels: uint8 [height, width, 3].
    """
    import av

    picture = Image.fromarray(pixels)
    scale = SIDE / max(picture.size)
    size = tuple(max(16, 2 * round(side * scale / 2)) for side in picture.size)  # the codec wants even sides
    written = io.BytesIO()
    with av.open(written, "w", format="avi") as file:
        stream = file.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.bit_rate = 2_000_000
        stream.codec_context.thread_count = 1  # the same bytes on any machine
        count = SECONDS * RATE
        for number in range(count):
            share = NEAREST + (1 - NEAREST) * number / (count - 1)
            box = (0, 0, picture.width * share, picture.height * share)
            shown = picture.resize(size, Image.Resampling.BICUBIC, box=box)  # type: ignore[arg-type]
            file.mux(stream.encode(av.VideoFrame.from_image(shown)))
        file.mux(stream.encode(None))
    return written.getvalue()
