"""Reading pictures that people send: every format, every trick."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from cacara.errors import ImageError
from cacara.media import images
from cacara.media.images import GALLERY_LIMITS, ImageLimits, load


def save(path, image, **options):
    image.save(path, **options)
    return path


def red(width=40, height=20, mode="RGB"):
    return Image.new("RGB", (width, height), (200, 10, 10)).convert(mode)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_common_formats_and_modes_become_rgb_pixels(tmp_path, suffix, mode):
    pixels = load(save(tmp_path / f"a{suffix}", red(mode=mode).convert("RGB" if suffix == ".jpg" else mode)))
    assert pixels.shape == (20, 40, 3)
    assert pixels.dtype == np.uint8


def test_the_format_is_found_in_the_content_not_in_the_name(tmp_path):
    path = save(tmp_path / "a.png", red())
    assert load(path.rename(tmp_path / "a.txt")).shape == (20, 40, 3)


def test_a_large_picture_becomes_small_with_its_proportions(tmp_path):
    assert load(save(tmp_path / "a.jpg", red(3000, 1500))).shape == (256, 512, 3)
    assert load(save(tmp_path / "a.png", red(300, 1500))).shape == (512, 102, 3)


def test_a_photograph_taken_sideways_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # turn by 90 degrees
    assert load(save(tmp_path / "a.jpg", red(40, 20), exif=exif)).shape == (40, 20, 3)


def test_a_transparent_margin_is_cut_and_transparency_becomes_white(tmp_path):
    image = Image.new("RGBA", (60, 50), (0, 0, 0, 0))
    image.paste((200, 10, 10, 255), (10, 10, 30, 40))
    image.paste((0, 0, 0, 0), (15, 15, 20, 20))
    pixels = load(save(tmp_path / "a.png", image))
    assert pixels.shape == (30, 20, 3)
    assert pixels[0, 0].tolist() == [200, 10, 10]
    assert pixels[7, 7].tolist() == [255, 255, 255]


def test_a_white_thing_stands_on_dark_ground(tmp_path):
    image = Image.new("RGBA", (60, 60), (255, 255, 255, 0))
    image.paste((255, 255, 255, 255), (10, 10, 30, 40))
    image.paste((255, 255, 255, 255), (30, 10, 50, 20))
    assert load(save(tmp_path / "a.png", image))[-1, -1].tolist() == [images.DARK] * 3
    opaque = Image.new("RGB", (60, 60), (255, 255, 255))
    assert load(save(tmp_path / "b.png", opaque))[0, 0].tolist() == [255, 255, 255]


def test_the_ground_can_be_chosen(tmp_path):
    image = Image.new("RGBA", (20, 20), (10, 10, 10, 255))
    image.paste((0, 0, 0, 0), (10, 10, 15, 15))
    assert load(save(tmp_path / "a.png", image), ground=128)[12, 12].tolist() == [128] * 3


def test_sixteen_bits_a_pixel_keep_their_brightness(tmp_path):
    grey = Image.fromarray(np.full((20, 20), 32896, dtype=np.uint16))
    assert load(save(tmp_path / "a.png", grey))[0, 0].tolist() == [128, 128, 128]


def test_of_an_animation_the_first_picture_is_read(tmp_path):
    path = tmp_path / "a.gif"
    red().save(path, save_all=True, append_images=[Image.new("RGB", (40, 20), (0, 200, 0))])
    assert load(path)[0, 0, 0] > 150


def bomb(width, height):
    """Return a PNG of a few bytes that claims to be huge."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [7_000, 10_000, 50_000])
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, side):
    path = tmp_path / "a.png"
    path.write_bytes(bomb(side, side))
    with pytest.raises(ImageError, match="pixels"):
        load(path)


def jpeg():
    buffer = io.BytesIO()
    red(200, 200).save(buffer, "JPEG")
    return buffer.getvalue()


BAD = {
    "empty": (b"", "empty"),
    "text": (b"this is no picture" * 20, "no picture"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "no picture"),
    "truncated jpeg": (jpeg()[:300], "damaged|no picture"),
    "truncated png": (bomb(100, 100)[:-30], "damaged|no picture"),
    "zip": (b"PK\x03\x04" + bytes(100), "no picture"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "no picture"),
    "tiff": (b"II*\x00\x08\x00\x00\x00" + bytes(64), "no picture"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_is_told_so_by_its_name_alone(tmp_path, name):
    content, wanted = BAD[name]
    path = tmp_path / "upload.svg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=wanted) as caught:
        load(path)
    assert "upload.svg" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_file_an_invisible_and_a_tiny_picture_are_told_so(tmp_path):
    with pytest.raises(ImageError, match="No such file"):
        load(tmp_path / "none.png")
    with pytest.raises(ImageError, match="transparent"):
        load(save(tmp_path / "clear.png", Image.new("RGBA", (20, 20), (9, 9, 9, 0))))
    with pytest.raises(ImageError, match="2 × 20 pixels"):
        load(save(tmp_path / "thin.png", red(2, 20)))


def test_a_file_above_the_limit_of_bytes_is_refused(tmp_path):
    path = save(tmp_path / "a.png", red())
    with pytest.raises(ImageError, match="more than 0 MB"):
        load(path, ImageLimits(max_bytes=20))


SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt">
<rect width="96" height="48" fill="#c80a0a"/></svg>"""


def test_a_drawing_of_the_gallery_is_rasterised(tmp_path):
    path = tmp_path / "a.svg"
    path.write_text(SVG)
    pixels = load(path, GALLERY_LIMITS)
    assert pixels.shape == (256, 512, 3)
    assert pixels[100, 100].tolist() == [200, 10, 10]


@pytest.mark.parametrize(
    "content", [b"<svg", b"\xff\xfe", b"<svg xmlns='http://www.w3.org/2000/svg' width='0' height='0'/>"]
)
def test_a_drawing_that_cannot_be_drawn_is_told_so(tmp_path, content):
    path = tmp_path / "a.svg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.svg"):
        load(path, GALLERY_LIMITS)
