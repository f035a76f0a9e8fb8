"""Any text, any JSON, any bytes: a value or one of our own errors, never another."""

from __future__ import annotations

import json
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from cacara.errors import CacaraError
from cacara.galleries.manifest import Clip
from cacara.words import word_lists
from feedback_db import FeedbackError
from feedback_db.exchange.table import from_cells
from feedback_db.records.lines import from_json, from_line
from ui.page.wording import wording
from ui.search.links import linked_query
from ui.server.admission import MAX_DEPTH, _depth, _hostname, read_credentials
from ui.services.services import Services

TEXT = st.text(st.characters(), max_size=60)  # lone surrogates among them
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
FEW = settings(max_examples=60, deadline=None)


@FEW
@given(st.one_of(TEXT, st.lists(st.lists(TEXT, max_size=3).map("\t".join), max_size=5).map("\n".join)))
def test_any_text_is_a_word_list_or_an_error(content):
    try:
        found = word_lists.read(content)
    except CacaraError:
        return
    assert found.entries
    assert word_lists.read(word_lists.write(found.entries)).entries, "what is written is read again"
    for entry in found.entries:
        entry.text.encode("utf-8")


@FEW
@given(JSON, st.sampled_from(["judgement", "caption", "undo", "item", "campaign", "deletion", "person", "skip"]))
def test_any_json_is_a_record_or_an_error(value, kind):
    for attempt in (
        lambda: from_line(json.dumps(value)),
        lambda: from_json({"type": kind, **(value if isinstance(value, dict) else {"query_text": value})}),
        lambda: from_cells({"type": kind, "rank": str(value), "reasons": json.dumps(value), "label": "x"}),
    ):
        try:
            attempt()
        except FeedbackError as error:
            assert len(str(error)) < 5_000


@FEW
@given(JSON)
def test_any_json_is_a_clip_or_an_error(value):
    try:
        Clip.from_json(value if isinstance(value, dict) else {"captions": value})
    except CacaraError:
        pass


@FEW
@given(st.one_of(TEXT, JSON.map(json.dumps), JSON))
def test_any_link_is_reopened_or_an_error(asked):
    unready = Services(SimpleNamespace(languages=lambda: ("de", "sw"), retriever=_unready), None)
    try:
        found = linked_query(unready, asked)
    except CacaraError:
        return
    assert found.language in ("auto", "de", "sw")
    assert found.kind in ("", "sound", "picture")


def _unready(words, model):
    from cacara.errors import QueryError

    raise QueryError("not ready")


@FEW
@given(st.one_of(TEXT, JSON))
def test_any_interface_language_has_words(code):
    assert wording(code)("search")


@FEW
@given(JSON)
def test_the_depth_of_any_question_is_counted_as_json_counts_it(value):
    body = json.dumps([[value] * 60]).encode()

    def depth(inner):
        if isinstance(inner, dict):
            inner = list(inner.values())
            return 1 + max(map(depth, inner), default=0)
        return 1 + max(map(depth, inner), default=0) if isinstance(inner, list) else 0

    assert _depth(body) in (0, min(depth(json.loads(body)), MAX_DEPTH + 1))


@FEW
@given(TEXT)
def test_any_host_and_any_credentials_are_a_value_or_an_error(text):
    assert isinstance(_hostname(text), str)
    try:
        credentials = read_credentials(text)
    except CacaraError as error:
        assert text not in str(error) or len(text) < 20
    else:
        assert not credentials.fit("Basic " + text)
