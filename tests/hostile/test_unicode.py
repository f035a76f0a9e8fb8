"""Characters that nobody sees or that turn text round: in queries, names, descriptions, campaigns and files."""

from __future__ import annotations

import dataclasses
import os
import re

import feedback_examples as make
import numpy as np
import pytest

from cacara.errors import QueryError
from cacara.galleries.gallery import load_folder
from cacara.media import audio
from cacara.search.request import clean_query
from feedback_db import FeedbackError
from tests.ui.annotate.test_annotate import first_item, make_campaign
from tests.ui.services.test_services import make_services
from ui.annotate import actions as annotate_actions
from ui.annotate import handlers
from ui.page.wording import wording
from ui.recordings import rendering
from ui.search.actions import search_text
from ui.search.judgements import flag
from ui.services.recordings import Recordings
from ui.services.services import Feedback

DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
UNSEEN = DIRECTIONS + "\u00ad\u061c\u200b\u200e\u200f\u2060\ufeff\u2028\u2029\x07\x1b\U000e0041"
SURROGATES = "\ud800\udfff"


@pytest.fixture(scope="module")
def prepared(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unicode")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        yield make_services(tiny_model, folder)


@pytest.fixture
def services(prepared, tmp_path):
    made = dataclasses.replace(prepared, feedback=Feedback(tmp_path / "feedback.db"))
    yield made
    made.feedback.store().close()


@pytest.mark.parametrize("character", [*DIRECTIONS, *SURROGATES, "\x00", "\x1b", "\u2028"])
def test_a_query_is_searched_and_stored_without_what_turns_it_round(services, character):
    found = search_text(services, f"dog{character} cat", "en", 3)
    assert found["query"] == "dog cat"
    flag(services, found["search_id"], found["hits"][0]["clip_id"], "relevant", "me")
    assert [each.query_text for each in services.feedback.store().current_judgements()] == ["dog cat"]
    with pytest.raises(QueryError, match="empty"):
        clean_query(character * 3)


@pytest.mark.parametrize("character", [*UNSEEN, "\u200c", "\u200d"])
def test_nobody_looks_like_somebody_else_by_a_character_that_is_not_seen(services, character):
    ana = annotate_actions.annotator_register(services, "Ana", True)["token"]
    store = services.feedback.store()
    for name in (f"An{character}a", f"Ana{character}", f"{character}Ana"):
        if " ".join(name.split()) != name:  # it is a space, and is cleaned as one
            continue
        with pytest.raises(
            FeedbackError, match=f"U\\+{ord(character):04X} at position . a character that cannot|cannot be seen"
        ):
            annotate_actions.annotator_register(services, name, True)
        found = search_text(services, "dog", "en", 3)
        with pytest.raises(FeedbackError, match="cannot be seen"):
            flag(services, found["search_id"], found["hits"][0]["clip_id"], "relevant", name)
        for field in ("name", "created_by"):
            with pytest.raises(FeedbackError, match=f"{field}: found U"):
                store.save_campaign(make.campaign(**{field: name}))
    assert store.campaigns() == [] and store.current_judgements() == []
    assert store.identify(ana) == "Ana"


def test_one_name_in_two_spellings_of_unicode_is_one_name(services):
    assert annotate_actions.annotator_register(services, "Jose\u0301", True)["annotator"] == "José"
    with pytest.raises(FeedbackError, match="taken"):
        annotate_actions.annotator_register(services, "José", True)


@pytest.mark.parametrize("name", ["می\u200cخواهم", "क्\u200dष", "👩\u200d🔬 Ana", "नी\u200cला", "Ọ̀ṣun", "李 雷"])
def test_names_that_need_joiners_may_have_them(services, name):
    assert annotate_actions.annotator_register(services, name, True)["annotator"]


@pytest.mark.parametrize("text", [*SURROGATES, "a\x00b"])
def test_what_no_database_holds_is_told_by_its_field(services, text):
    token = annotate_actions.annotator_register(services, "Ana", True)["token"]
    campaign = make_campaign(services, "a bird")
    item = first_item(services, token, campaign)["item_id"]
    for field, said in (
        ("caption", {"caption": f"a dog {text}", "caption_language": "en"}),
        ("comment", {"comment": f"hm {text}"}),
    ):
        with pytest.raises(FeedbackError, match=f"{field}: found the character U\\+"):
            annotate_actions.annotation_judge(services, token, item, "relevant", **said)
    for field in ("name", "guidelines"):
        with pytest.raises(FeedbackError, match=f"{field}: found the character U\\+"):
            make.campaign(**{field: f"x{text}"})
    with pytest.raises(FeedbackError, match="annotator: found the character U\\+"):
        annotate_actions.annotator_register(services, f"Ana{text}", True)
    assert services.feedback.store().current_judgements() == []


def test_a_description_keeps_its_marks_of_direction_inside_its_own_element(services):
    token = annotate_actions.annotator_register(services, "Ana", True)["token"]
    campaign = make_campaign(services, "a bird", guidelines="look \u202eereh", name="Birds")
    item = first_item(services, token, campaign)["item_id"]
    annotate_actions.annotation_judge(services, token, item, "relevant", caption="a \u202egod", caption_language="en")
    assert services.feedback.store().current_captions()[0].caption == "a \u202egod"
    page = handlers.annotate_mine(services, token)["html"]
    # A mark ends with the block that it stands in, so it turns nothing else round.
    assert re.search('<t[dh] dir="auto"[^<]*a \u202egod[^<]*</t[dh]>', page), page


@pytest.mark.parametrize(
    "name", ["dog\u202egpj.wav", "zero\u200bwidth.wav", b"bytes\xff.wav", b"half\xed\xa0\x80.wav", "line\nend.wav"]
)
def test_a_file_of_any_name_is_found_under_one_that_is_text(tmp_path, name, tiny_model, monkeypatch):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "gallery"
    folder.mkdir()
    audio.write_wav(folder / "plain.wav", np.sin(np.arange(16_000) / 8).astype(np.float32))
    os.rename(folder / "plain.wav", os.fsencode(folder) + b"/" + os.fsencode(name))
    (clip,) = load_folder(folder).clips
    clip.clip_id.encode("utf-8")
    (texts,) = clip.captions.values()
    assert not any(character in UNSEEN + SURROGATES + "\n" for text in texts for character in text), texts
    assert clip.path.is_file()


@pytest.mark.parametrize(
    "name", ["a\u202evaw.wav", "two  spaces.wav", "a\u200cb.wav", b"bytes\xff.wav", "a\nb.wav", "\ue000.wav"]
)
def test_a_local_recording_of_any_name_is_offered_under_one_that_is_text_and_shown_escaped(tmp_path, name):
    path = os.fsencode(tmp_path) + b"/" + os.fsencode(name)
    with open(path, "wb"):
        pass
    library = Recordings(tmp_path)
    (offered,) = library.local_files()
    assert os.fsencode(library.get(library.add_local(offered)).path) == path
    html = rendering.source([offered], 1, wording("en"))
    shown = re.search(r"<option value=.*?>(.*)</option>", html, re.DOTALL)[1]
    assert not set(shown) & {*DIRECTIONS, "\n"} and "no recording" not in html
    with pytest.raises(QueryError, match="no recording"):
        library.add_local(f"other {offered}")
