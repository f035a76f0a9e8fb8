from __future__ import annotations

import pytest

from cacara.sources import SOURCES
from ui.about import contents, rendering
from ui.about.contents import Package
from ui.page.wording import available, wording


def test_cards_come_without_their_front_matter():
    cards = contents.cards()
    assert "cacara" in cards and cards["cacara"].startswith("# cacara")
    assert "library_name" not in cards["cacara"]


def test_versions_and_licences_are_those_of_the_installed_packages():
    found = {package.name: package for package in contents.packages()}
    assert found["gradio"].version == "6.31.0" and found["gradio"].licence
    assert {"Python", "torch", "pympi-ling"} <= set(found)
    assert all("\n" not in package.licence for package in found.values())


def test_everything_that_is_fetched_is_named_with_its_licence():
    assert {row.key for row in contents.fetched()} == set(SOURCES)
    assert all(row.licence for row in contents.fetched())


@pytest.mark.parametrize("code", [code for _, code in available()])
def test_the_page_is_whole_in_every_language_and_shows_text_as_text(code):
    card = "# <b>card</b>\n\n[x](javascript:alert(1))\n\n| a | b |\n|---|---|\n| <i> | 2 |"
    packages = [Package("<u>", "1", "MIT")]
    page = rendering.page({"<model>": card}, packages, contents.fetched(), True, wording(code))
    for hostile in ("<b>", "<i>", "<u>", "<model>", 'href="javascript'):
        assert hostile not in page
    assert "&lt;model&gt;" in page and "<h3>" in page and "<table>" in page
    assert "feedback_db forget" in page
    without = rendering.page({}, packages, (), False, wording(code))
    assert "feedback_db" not in without, "only a command that exists is told of"
