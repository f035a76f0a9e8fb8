"""Any picture to pixels, upright, without transparency and no larger than the model needs.

An upload is hostile until shown otherwise: a small file may claim a billion pixels, and a decoder that nobody
uses is a decoder that nobody tests. So bytes, formats and claimed pixels are checked before anything is decoded.
"""

from __future__ import annotations

import dataclasses
import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from cacara.errors import ImageError
from cacara.media.formats import WANTED_PICTURE, readers

FORMATS = readers("picture")
"""Formats that are read, by Pillow's names; of an animation the first picture."""

LONGEST_SIDE = 512
"""Pictures are made smaller to this many pixels: more than twice what the image tower looks at."""

MIN_SIDE = 4
FAINT = 8
"""Alpha, of 255, below which nothing is to be seen."""

BRIGHT, WHITE, DARK = 215, 255, 80
"""A thing whose mean brightness, of 255, is above the first stands on the last, others on white."""


@dataclasses.dataclass(frozen=True)
class ImageLimits:
    """Limits on the cost of decoding a picture.

    Attributes:
        max_bytes: Of the file.
        max_pixels: Width times height, as the file claims them.
        svg: Whether drawings in SVG are read as well; only for files that are known to be harmless.
    """

    max_bytes: int = 20 << 20
    max_pixels: int = 40_000_000
    svg: bool = False


UPLOAD_LIMITS = ImageLimits()
GALLERY_LIMITS = ImageLimits(max_bytes=64 << 20, max_pixels=80_000_000, svg=True)
"""For pictures of packages and of the gallery's owner."""


def load(path: str | Path, limits: ImageLimits = UPLOAD_LIMITS, ground: int | None = None) -> np.ndarray:
    """Return a picture's pixels, its transparent margin cut off.

    What is transparent becomes white, or dark grey behind a thing that is white itself.

    Args:
        path: The file.
        limits: Bounds of size and time.
        ground: The grey, 0 to 255, that transparent parts get instead.

    Returns:
        uint8 [height, width, 3], RGB, the longest side at most ``LONGEST_SIDE``.

    Raises:
        ImageError: The file is missing, too large, no picture of a known format, damaged, or next to nothing.
    """
    path = Path(path)
    content = _read(path, limits)
    if limits.svg and path.suffix.lower() == ".svg":
        content = _rasterise(path.name, content)
    return _pixels(path.name, content, limits, ground)


def _read(path: Path, limits: ImageLimits) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limits.max_bytes + 1)
    except OSError as error:
        raise ImageError(f"cannot read {path.name}: {error.strerror or error}; {WANTED_PICTURE}") from error
    except ValueError as error:
        raise ImageError(f"no path may hold a character of this name; {WANTED_PICTURE}") from error
    if len(content) > limits.max_bytes:
        raise ImageError(f"{path.name} has more than {limits.max_bytes >> 20} MB; {WANTED_PICTURE} of at most that")
    if not content:
        raise ImageError(f"{path.name} is empty; {WANTED_PICTURE}")
    return content


def _rasterise(name: str, content: bytes) -> bytes:
    """Return a drawing as PNG."""
    import resvg_py

    try:
        # No fonts of the machine: the same drawing gives the same pixels everywhere.
        drawn = resvg_py.svg_to_bytes(svg_string=content.decode(), width=LONGEST_SIDE, dpi=96, skip_system_fonts=True)
        return bytes(drawn)
    except ValueError as error:  # no SVG, or no UTF-8
        raise ImageError(f"{name} cannot be drawn: {error}") from error


def _pixels(name: str, content: bytes, limits: ImageLimits, ground: int | None) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
            if width * height > limits.max_pixels:
                raise ImageError(
                    f"{name} has {width:,} × {height:,} pixels; wanted at most {limits.max_pixels / 1e6:.0f} million"
                )
            if min(width, height) < MIN_SIDE:
                raise ImageError(f"{name} has {width} × {height} pixels; wanted at least {MIN_SIDE} × {MIN_SIDE}")
            image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # a JPEG is decoded small at once
            turned = ImageOps.exif_transpose(image)
            return _opaque(name, _with_alpha(turned), ground)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name} claims too many pixels ({error}); {WANTED_PICTURE} of ordinary size") from error
    except Image.UnidentifiedImageError as error:
        raise ImageError(f"{name} is no picture that is read here; {WANTED_PICTURE}") from error
    # What Pillow's decoders raise at damaged files: also struct.error and zlib.error, which have no common root.
    except Exception as error:
        raise ImageError(f"{name} is damaged ({type(error).__name__}: {error!s:.100}); {WANTED_PICTURE}") from error


def _with_alpha(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        image = Image.fromarray((np.asarray(image).astype(np.float64) / 257).clip(0, 255).astype(np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of transparency told in odd ways
        return image.convert("RGBA")


def _opaque(name: str, image: Image.Image, ground: int | None) -> np.ndarray:
    """Return an RGBA picture on a background that it stands out from."""
    box = image.getchannel("A").point(lambda alpha: 255 if alpha > FAINT else 0).getbbox()
    if box is None:
        raise ImageError(f"{name} is transparent all over; wanted something to see")
    image = image.crop(box)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BICUBIC)
    if ground is None:
        alpha = np.asarray(image.getchannel("A"), dtype=np.float64)
        light = np.asarray(image.convert("RGB").convert("L"), dtype=np.float64)
        ground = DARK if alpha.min() < FAINT and np.average(light, weights=alpha) > BRIGHT else WHITE
    below = Image.new("RGBA", image.size, (ground, ground, ground, 255))
    return np.asarray(Image.alpha_composite(below, image).convert("RGB"))
