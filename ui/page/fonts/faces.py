"""The page's font faces: what the font packages bring, under few names, cut by range so that a page loads little.

A face names the fonts of common systems first; a browser that has one of them fetches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cacara import sources

PREFIX = "font-"
FAMILY = "Cacara Scripts"
FAMILIES = {"font-sans-sc": "Cacara Chinese", "font-sans-jp": "Cacara Japanese", "font-sans-kr": "Cacara Korean"}
"""Han characters are drawn differently in these languages, so each has a family of its own."""

LOCAL = {
    "font-sans": ("Noto Sans", "Nirmala UI", "Kohinoor Devanagari"),
    "font-sans-arabic": ("Noto Sans Arabic", "Segoe UI", "Geeza Pro"),
    "font-sans-armenian": ("Noto Sans Armenian", "Segoe UI", "Mshtakan"),
    "font-sans-bengali": ("Noto Sans Bengali", "Nirmala UI", "Kohinoor Bangla"),
    "font-sans-canadian-aboriginal": ("Noto Sans Canadian Aboriginal", "Gadugi", "Euphemia UCAS"),
    "font-sans-ethiopic": ("Noto Sans Ethiopic", "Ebrima", "Kefa"),
    "font-sans-georgian": ("Noto Sans Georgian", "Segoe UI", "Helvetica Neue"),
    "font-sans-gujarati": ("Noto Sans Gujarati", "Nirmala UI", "Kohinoor Gujarati"),
    "font-sans-gurmukhi": ("Noto Sans Gurmukhi", "Nirmala UI", "Gurmukhi MN"),
    "font-sans-hebrew": ("Noto Sans Hebrew", "Segoe UI", "Arial Hebrew"),
    "font-sans-jp": ("Noto Sans CJK JP", "Yu Gothic UI", "Hiragino Sans"),
    "font-sans-kannada": ("Noto Sans Kannada", "Nirmala UI", "Kannada Sangam MN"),
    "font-sans-khmer": ("Noto Sans Khmer", "Leelawadee UI", "Khmer Sangam MN"),
    "font-sans-kr": ("Noto Sans CJK KR", "Malgun Gothic", "Apple SD Gothic Neo"),
    "font-sans-lao": ("Noto Sans Lao", "Leelawadee UI", "Lao Sangam MN"),
    "font-sans-malayalam": ("Noto Sans Malayalam", "Nirmala UI", "Malayalam Sangam MN"),
    "font-sans-myanmar": ("Noto Sans Myanmar", "Myanmar Text", "Myanmar Sangam MN"),
    "font-sans-oriya": ("Noto Sans Oriya", "Nirmala UI", "Oriya Sangam MN"),
    "font-sans-sc": ("Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC"),
    "font-sans-sinhala": ("Noto Sans Sinhala", "Nirmala UI", "Sinhala Sangam MN"),
    "font-sans-tamil": ("Noto Sans Tamil", "Nirmala UI", "Tamil Sangam MN"),
    "font-sans-telugu": ("Noto Sans Telugu", "Nirmala UI", "Kohinoor Telugu"),
    "font-sans-thai": ("Noto Sans Thai", "Leelawadee UI", "Thonburi"),
}

_FACE = re.compile(r"/\* [\w-]+?-(?P<subset>\[?[\w]+\]?(?:-ext)?)-wght-normal \*/\s*@font-face \{(?P<rules>[^}]*)\}")
_FILE = re.compile(r"url\(\./files/([\w.\[\]-]+\.woff2)\)")
_RANGE = re.compile(r"unicode-range: ([0-9A-Fa-fU+,?-]+);")
_SHARED = frozenset(
    {"latin", "latin-ext", "cyrillic", "cyrillic-ext", "greek", "greek-ext", "vietnamese", "math", "symbols"}
)
"""Subsets that most packages bring beside their own script; they are taken from one package only."""


def keys() -> tuple[str, ...]:
    """Return the keys of all fonts in the table of sources."""
    return tuple(sorted(key for key in sources.SOURCES if key.startswith(PREFIX)))


def stylesheet() -> str:
    """Return the faces of the fonts that are on this machine, as CSS with addresses relative to ``fonts/``."""
    return "".join(face for key in keys() for face in _faces(key))


def file(key: str, name: str) -> Path | None:
    """Return a font's file, or None where there is no such font or file.

    Args:
        key: A key of ``keys``.
        name: A file's name, as ``stylesheet`` gives it.
    """
    if key not in keys() or "/" in name or "\\" in name or not name.endswith(".woff2"):
        return None
    folder = sources.find(key)
    path = None if folder is None else folder / "package" / "files" / name
    return path if path is not None and path.is_file() else None


def _faces(key: str) -> Iterator[str]:
    folder = sources.find(key)
    listed = None if folder is None else folder / "package" / "index.css"
    if listed is None or not listed.is_file():
        return
    family = FAMILIES.get(key, FAMILY)
    local = "".join(f'local("{name}"),' for name in LOCAL.get(key, ()))
    for face in _FACE.finditer(listed.read_text(encoding="utf-8")):
        if key != "font-sans" and face["subset"] in _SHARED:
            continue
        name, reach = _FILE.search(face["rules"]), _RANGE.search(face["rules"])
        if name and reach:
            yield (
                f'@font-face{{font-family:"{family}";font-weight:100 900;font-display:swap;'
                f'src:{local}url("{key}/{name[1]}")format("woff2");unicode-range:{reach[1]}}}\n'
            )
