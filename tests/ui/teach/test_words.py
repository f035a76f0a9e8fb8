"""Words taught in the Teach tab and taken back in Search: they act at once, for everybody, until they are undone."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from feedback_examples import caption, judgement

from cacara.errors import CacaraError, QueryError
from cacara.galleries.gallery import load_folder
from cacara.lexicon import PersonalWord, PersonalWords
from cacara.model.config import LexicalMemoryConfig
from cacara.model.parts.lexical_memory import LexicalMemory
from cacara.model.registry import Registry
from cacara.search.retriever import Retriever
from tests.ui.services.test_services import make_gallery
from training.data.lexicon.table import Sense, build
from training.feedback import words as feedback_words
from ui.page.wording import available, wording
from ui.search import correcting
from ui.search.actions import search_text
from ui.search.tab import show
from ui.services.engine import Engine
from ui.services.jobs import Jobs
from ui.services.permissions import Access, PermissionRefusedError
from ui.services.services import Feedback, Services
from ui.services.taught_languages import TaughtLanguages
from ui.services.training import FeedbackCounter, Trainable, Trainings
from ui.teach import tab, words

HOSTILE = '<img src=x onerror="alert(1)">'
ENGLISH = [f"{first} {second}" for first in ("dog", "cat", "rain") for second in ("bird", "bell", "cat", "rain")]
ROWS = "".join(f"{english}\tnen{number}\n" for number, english in enumerate(ENGLISH))


@pytest.fixture
def model(tiny_model):
    table = build([Sense("dog", "sw", "mbwa", 3, True)], least=1)
    memory = LexicalMemory(LexicalMemoryConfig("bundled", "studio", 0.9, 0.0, 3, 1.0), table)
    made = tiny_model.with_parts(memory)
    made.config = dataclasses.replace(tiny_model.config, memory=memory.config)
    return made


@pytest.fixture
def services(model, tmp_path, monkeypatch) -> Services:
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    gallery = load_folder(make_gallery(tmp_path / "gallery"))
    kept = PersonalWords(tmp_path / "models" / "words.jsonl")
    engine = Engine(
        lambda report: Retriever(model, gallery, report), refresh=lambda retriever: retriever.model.follow_words(kept)
    )
    engine._run()
    counting = FeedbackCounter(lambda database: feedback_words.collect(_manifest(database), gallery).to_json())
    place = tmp_path / "feedback.db"
    trainings = Trainings(
        Jobs(tmp_path / "jobs"), Registry(tmp_path / "models"), TaughtLanguages(tmp_path / "models"), place,
        suggested=counting,
    )  # fmt: skip
    able = Trainable(engine.default, "tiny", "1", tmp_path, model.config)
    monkeypatch.setattr(Trainings, "models", lambda self: [able])
    return Services(engine, Feedback(place), personal_words=kept, trainings=trainings)


def _manifest(database):
    return feedback_words.feedback_manifest.read_store(database)


def test_words_act_with_the_next_query_and_are_taken_back_as_a_list(services, model):
    before = model.encode_text(["nen3"], "x-foo")
    told = words.teach_words(services, "x-foo", ROWS + "a long one\tmaneno mengi sana hapa\nbad\n", "elders")
    assert (told["added"], told["known"], told["sentences"]) == (len(ENGLISH), 0, 1)
    assert [each["line"] for each in told["problems"]] == [len(ENGLISH) + 2]
    assert not np.array_equal(before, model.encode_text(["nen3"], "x-foo"))
    found = search_text(services, "nen3", "x-foo")["looked_up"]
    assert [(each["text"], each["senses"]) for each in found] == [("nen3", [ENGLISH[3]])]
    assert words.teach_words(services, "x-foo", ROWS)["known"] == len(ENGLISH)
    (shown,) = words.lists(services)
    assert (shown.name, shown.language, shown.words) == ("elders", "x-foo", len(ENGLISH))
    assert words.take_back_words(services, [told["list_id"]]) == {"removed": len(ENGLISH)}
    assert np.array_equal(before, model.encode_text(["nen3"], "x-foo"))
    with pytest.raises(QueryError, match="none of 1 ids"):
        words.take_back_words(services, ["no such"])


def test_what_is_written_out_is_taught_again_with_its_source(services):
    words.teach_words(services, "x-foo", "dog\tblorp\n", "elders")
    table = words.taught_words(services)["table"]
    services.personal_words.path.unlink()
    assert words.teach_words(services, "", table)["added"] == 1
    (word,) = services.personal_words.read()
    assert (word.language, word.text, word.source) == ("x-foo", "blorp", "elders")


def test_the_tab_adds_and_says_what_it_brought(services):
    checked = tab.show_check(services, "x-foo", ROWS, None)
    assert checked.words and f"{len(ENGLISH)} words and phrases can be added" in checked.html
    assert checked.html.count("<tr>") == 6  # a heading and the first five rows
    first, last = list(tab.add(services, "x-foo", ROWS, None, "elders", ""))
    assert "Measuring" in first[0] and "elders" in first[1].lists
    assert "2 of the words" in last[0] and "<td>0</td>" in last[0] and '<td class="after">100</td>' in last[0]
    assert "x-foo" in dict(map(reversed, last[1].known))
    few = list(tab.add(services, "sw", "cat\tpaka\n", None, "", ""))
    assert "Too few words" in few[-1][0]


@pytest.mark.parametrize(
    ("code", "rows", "reason"),
    [
        ("", "dog\tmbwa\n", "code first"),
        ("en", "dog\tmbwa\n", "English"),
        ("sw", " ", "Type"),
        ("sw", "a\tb c d e\n", "None of these"),
    ],
)
def test_what_cannot_be_taught_is_told(services, code, rows, reason):
    with pytest.raises(CacaraError, match=reason):
        words.teach_words(services, code, rows)
    ((html, _),) = tab.add(services, code, rows, None, "", "")
    assert 'class="problem"' in html and services.personal_words.read() == ()


def test_a_model_without_a_memory_is_told(services, tiny_model, monkeypatch, tmp_path):
    able = Trainable(services.engine.default, "tiny", "1", tmp_path, tiny_model.config)
    monkeypatch.setattr(Trainings, "models", lambda self: [able])
    assert "looks no words up" in tab.show_check(services, "sw", ROWS, None).html
    assert "looks no words up" in list(tab.add(services, "sw", ROWS, None, "", ""))[-1][0]


def test_what_feedback_suggests_is_added_once_somebody_has_looked(services):
    store, known = services.feedback.store(), services.retriever().gallery.clips[0]
    store.add_caption(caption(clip_id=known.clip_id, caption="koira", caption_language="fi"))
    store.add_judgement(judgement(clip_id=known.clip_id, query_text="hauva", language="fi"))
    for _ in range(500):
        found = words.suggested_words(services)
        if not found["counting"]:
            break
    assert [(row["language"], row["words"]) for row in found["languages"]] == [("fi", 2)]
    assert "koira → " in tab.look(services).offers
    html, now = tab.add_suggested(services, "fi", "")
    assert "2 words added" in html and now.offered == []
    assert {word.source[:8] for word in services.personal_words.read()} == {"feedback"}


def test_a_wrong_look_up_is_taken_back_with_one_click_and_undone(services, model):
    page = show(services, search_text, "mbwa", language="sw")[0]
    assert "wrong?" in page
    before = model.encode_text(["mbwa"], "sw")
    (found,) = search_text(services, "mbwa", "sw")["looked_up"]
    told = correcting.wrong_look_up(services, found["text"], found["read_in"], found["senses"])
    assert told["message"] == "“mbwa” is not looked up as dog any more."
    assert search_text(services, "mbwa", "sw")["looked_up"] == []
    assert "looked up again" in correcting.look_up_again(services, told["list_id"], "mbwa")["message"]
    assert np.array_equal(before, model.encode_text(["mbwa"], "sw"))


def test_on_a_public_server_only_the_team_lead_teaches_and_visitors_correct_nothing(services):
    public = dataclasses.replace(services, access=Access(public=True, admin_token="right"))
    for call in (words.teach_words, lambda *given: words.take_back_words(given[0], ["x"])):
        with pytest.raises(PermissionRefusedError):
            call(public, "sw", ROWS)
    with pytest.raises(PermissionRefusedError):
        correcting.wrong_look_up(public, "mbwa", "sw", ["dog"])
    assert "wrong?" not in show(public, search_text, "mbwa", language="sw")[0]
    assert words.teach_words(public, "sw", ROWS, token="right")["added"] == len(ENGLISH)


@pytest.mark.parametrize("code", [code for _, code in available()])
def test_hostile_words_are_text_in_every_language(services, code):
    own = services.speaking(wording(code))
    own.personal_words.add([PersonalWord("sw", "neno", HOSTILE, source=HOSTILE), PersonalWord("sw", "a1", "<b>")])
    assert "<img" not in tab.look(own).lists and "&lt;img" in tab.look(own).lists
    assert "<img src=x" not in show(own, search_text, "neno", language="sw")[0]


def test_programs_get_plain_values(services):
    told = words.teach_words(services, "x-foo", ROWS)
    json.dumps([told, words.taught_words(services), words.measure_words(services, told["list_id"])])
