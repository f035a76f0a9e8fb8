from __future__ import annotations

import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cacara import sources
from cacara.languages import coverage
from ui.page.fonts import faces, routes

INDEX = """
/* noto-sans-thai-thai-wght-normal */
@font-face {
  font-family: 'Noto Sans Thai Variable';
  src: url(./files/noto-sans-thai-thai-wght-normal.woff2) format('woff2-variations');
  unicode-range: U+0E01-0E5B,U+200C-200D;
}
/* noto-sans-thai-latin-ext-wght-normal */
@font-face {
  src: url(./files/noto-sans-thai-latin-ext-wght-normal.woff2) format('woff2-variations');
  unicode-range: U+0100-02BA;
}
"""


@pytest.fixture
def thai(tmp_path, monkeypatch):
    """A machine that has one font package, and no network."""
    package = tmp_path / "thai" / "package"
    (package / "files").mkdir(parents=True)
    (package / "index.css").write_text(INDEX)
    (package / "files" / "noto-sans-thai-thai-wght-normal.woff2").write_bytes(b"wOF2")
    monkeypatch.setattr(sources, "find", lambda key: tmp_path / "thai" if key == "font-sans-thai" else None)
    asked = []
    monkeypatch.setattr(sources, "fetch_all", lambda keys: asked.extend(keys))
    return asked


def test_a_package_gives_the_faces_of_its_own_script_behind_the_systems_fonts(thai):
    (face,) = faces.stylesheet().splitlines()
    assert 'font-family:"Cacara Scripts"' in face and "unicode-range:U+0E01-0E5B,U+200C-200D}" in face
    assert face.index('local("Noto Sans Thai")') < face.index('url("font-sans-thai/noto-sans-thai-thai-wght')


def test_fonts_are_served_and_nothing_else_is(thai, tmp_path):
    (tmp_path / "thai" / "package" / "secret.woff2").write_bytes(b"no")
    client = TestClient(Starlette(routes=routes.font_routes()))
    style = client.get("/fonts/faces.css")
    assert style.headers["content-type"].startswith("text/css") and style.headers["cache-control"] == "no-cache"
    address = re.search(r'url\("([^"]+)"\)', style.text)[1]
    assert client.get(f"/fonts/{address}").content == b"wOF2"
    for wrong in ("font-sans-thai/..%2Fsecret.woff2", "font-sans-thai/index.css", "yamnet/x.woff2", "nothing/x.woff2"):
        assert client.get(f"/fonts/{wrong}").status_code == 404
    for _ in range(100):
        if thai:
            break
        __import__("time").sleep(0.05)
    assert "font-sans-thai" not in thai and "font-sans-lao" in thai, "what is missing is fetched meanwhile"


def test_every_script_of_the_languages_has_a_font():
    served = {"Latn", "Cyrl", "Grek", "Deva"}
    names = {
        "adlam": "Adlm", "arabic": "Arab", "armenian": "Armn", "bengali": "Beng", "canadian-aboriginal": "Cans",
        "ethiopic": "Ethi",
        "georgian": "Geor", "gujarati": "Gujr", "gurmukhi": "Guru", "hanifi-rohingya": "Rohg", "hebrew": "Hebr",
        "jp": "Jpan", "kannada": "Knda", "khmer": "Khmr", "kr": "Kore", "lao": "Laoo", "malayalam": "Mlym",
        "myanmar": "Mymr", "oriya": "Orya", "sc": "Hans", "sinhala": "Sinh", "tamil": "Taml", "telugu": "Telu",
        "thai": "Thai",
    }  # fmt: skip
    served |= {names[key.removeprefix("font-sans-")] for key in faces.keys() if key != "font-sans"}
    assert {row.script for row in coverage.load().rows} - served == {"Hant"}, "drawn with the Chinese font's forms"
