"""Queries from links and from history, as anybody may have written them."""

from __future__ import annotations

import json

import pytest

from cacara.errors import QueryError
from tests.ui.services.test_services import make_services
from ui.search import tab as search_tab
from ui.search.links import MAX_CHARACTERS, linked_query


@pytest.fixture(scope="module")
def services(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reopening")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        yield make_services(tiny_model, folder)


def again(services, **asked):
    return linked_query(services, json.dumps(asked))


def test_a_query_comes_back_as_it_was_asked(services):
    found = again(services, q="ein hund", lang="de", kind="sound", licence="as the folder's owner says")
    assert (found.query, found.language, found.kind) == ("ein hund", "de", "sound")
    assert found.licence == "as the folder's owner says"
    assert search_tab.fields_asked(services, json.dumps({"q": "hund", "lang": "de"})) == ("hund", "de", "", "")


@pytest.mark.parametrize("wrong", ["xx", "../de", "<script>", "x" * 300, 3, None, ["de"], {"a": 1}])
def test_what_is_unknown_here_is_left_out(services, wrong):
    found = again(services, q="hund", lang=wrong, kind=wrong, licence=wrong)
    assert (found.query, found.language, found.kind, found.licence) == ("hund", "auto", "", "")


@pytest.mark.parametrize("asked", ["[]", "3", '"q"', "{", "[" * 3_000, None, 7, "x" * (MAX_CHARACTERS + 1)])
def test_what_is_no_query_is_told(services, asked):
    with pytest.raises(QueryError, match="the link"):
        linked_query(services, asked)


def test_an_empty_link_asks_for_nothing(services):
    assert search_tab.show_asked(services, "{}") == ""
    assert search_tab.show_asked(services, "") == ""


def test_a_long_query_is_cut_to_what_may_be_typed(services):
    assert len(again(services, q="hund " * 600).query) == 2_000


def test_hostile_text_of_a_link_is_text_on_the_page(services):
    page = search_tab.show_asked(services, json.dumps({"q": "<img src=x onerror=alert(1)> hund", "lang": "<b>"}))
    assert "<img src=x" not in page and "&lt;img src=x" in page


def test_a_clip_is_reopened_with_what_is_like_it(services):
    page = search_tab.show_asked(services, json.dumps({"like": "dog.wav", "lang": "de"}))
    assert "Like “Ein Hund.”" in page
