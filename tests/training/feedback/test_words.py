"""Words out of feedback: what becomes an entry, what is left out, and the command on a database of one's own."""

from __future__ import annotations

import json
from pathlib import Path

from feedback_examples import caption, judgement

from cacara.galleries.gallery import Gallery
from cacara.galleries.manifest import Clip
from cacara.lexicon import PersonalWords
from feedback_db.store.store import Store
from training.__main__ import main
from training.feedback import words
from training.feedback.manifest import Manifest, Row

THINGS = ("dog", "cat", "rain")


def clip(thing: str, **changes) -> Clip:
    values = {"captions": {"en": (f"A {thing} is heard.",)}, "concept": thing, "source": "x", "licence": "CC0"}
    return Clip(f"clip/{thing}", Path("x.wav"), "0" * 64, **values | changes)


def row(query: str, thing: str, grade: float = 1.0, language: str | None = "fi", **changes) -> Row:
    values = {"weight": 0.8, "source": "judgement", "people": 1, "clip_kind": "sound"}
    return Row(query=f"text:{query}", language=language, clip_id=f"clip/{thing}", grade=grade, **values | changes)


def collect(*rows: Row, clips=None) -> words.WordSuggestions:
    shown = Gallery("g", clips or tuple(clip(thing) for thing in THINGS))
    return words.collect(Manifest("2026-11-22", rows, {}, {}, len(rows)), shown)


def told(found: words.WordSuggestions) -> list[tuple[str, str, str, int]]:
    return [(each.word.language, each.word.text, each.word.english, each.rows) for each in found.words]


def test_captions_and_queries_that_fit_become_entries_and_nothing_else_does():
    found = collect(
        row("koira", "dog"),
        row("hauva", "dog", source="caption"),
        row("osittain", "rain", 0.5),
        row("epävarma", "rain", weight=0.4),
        row("ei", "cat", 0.0),
        row("dog", "dog", language="en-GB"),
        row("quelque", "cat", language=None),
        row("Katze", "cat", language="de"),
    )
    assert told(found) == [("de", "Katze", "cat", 1), ("fi", "hauva", "dog is heard", 1), ("fi", "koira", "dog", 1)]
    assert found.words[0].word.source == f"feedback {found.manifest}"


def test_a_query_means_what_most_of_what_fits_it_is_called():
    two = (clip("dog"), clip("hound", concept="dog"), clip("cat"))
    agreed = [row("koira", "dog"), row("koira", "hound"), row("koira", "cat", weight=0.6)]
    assert told(collect(*agreed, clips=two)) == [("fi", "koira", "dog", 3)]
    split = collect(row("eläin", "dog"), row("eläin", "cat"))
    assert split.words == () and split.left_out == {"what fits the query is called differently": 2}


def test_an_english_caption_that_somebody_corrected_comes_before_the_gallerys():
    nameless = clip("rec", captions={"fi": ("x",)}, concept=None)
    named = row("The bells.", "rec", language="en", source="caption")
    assert collect(row("kello", "rec"), clips=(nameless,)).left_out == {
        "the clip is not in the gallery, or has no English description": 1
    }
    assert told(collect(row("kello", "rec"), named, clips=(nameless,))) == [("fi", "kello", "bells", 1)]


def test_sentences_are_counted_and_left_for_training():
    found = collect(row("koira haukkuu öisin pihalla", "dog", source="caption"), row("!?", "dog"))
    assert found.words == () and found.left_out == {"longer than a phrase": 2}


def test_the_command_suggests_from_a_database_and_takes_what_it_suggests(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        words.gallery, "load_default", lambda report: Gallery("g", tuple(clip(thing) for thing in THINGS))
    )
    with Store(tmp_path / "feedback.db") as store:
        store.add_caption(caption(clip_id="clip/dog", clip_kind="sound", caption="koira", caption_language="fi"))
        store.add_judgement(judgement(query_text="kissa", language="fi", clip_id="clip/cat", label="relevant"))
    main(["feedback_words", "--database", str(tmp_path / "feedback.db"), "--words", str(tmp_path / "words.jsonl")])
    said = json.loads(capsys.readouterr().out)
    assert [(each["text"], each["english"]) for each in said["words"]] == [("kissa", "cat"), ("koira", "dog is heard")]
    assert said["taken"] == 2 == len(PersonalWords(tmp_path / "words.jsonl").read())


def test_without_a_database_it_says_so(tmp_path, capsys):
    assert main(["feedback_words", "--database", str(tmp_path / "none.db")]) == 1
    assert "there is no feedback database" in capsys.readouterr().err
