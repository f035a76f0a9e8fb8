"""Teaching a language from feedback: what becomes a pair, what is held out, the gate, the command on tiny models."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from feedback_examples import caption, judgement

from cacara.benchmark.splits import Benchmark, Query
from cacara.model import checkpoint
from cacara.model.config import AcquirerConfig
from cacara.model.model import Cacara
from cacara.model.parts import acquirer_files
from cacara.model.parts.acquirer_files import AcquirerFile
from cacara.model.parts.acquirers import Acquirers
from cacara.search import gallery
from cacara.search.gallery import Gallery
from cacara.search.manifest import Clip
from feedback_db.store.store import Store
from training.__main__ import main
from training.feedback import teaching as teach_feedback
from training.feedback import teaching_gate, teaching_pairs
from training.feedback.manifest import Manifest, Row
from training.feedback.teaching import TeachFeedbackOptions
from training.feedback.teaching_gate import Exam, OtherLanguages
from training.feedback.teaching_pairs import FeedbackPair, NeededPairs
from training.mla import teaching as language_teaching
from training.mla import transfer
from training.run_folder import RunError

WORDS = ("dog", "cat", "rain", "bird", "bell")
THINGS = tuple(f"{first} {second}" for first in WORDS for second in WORDS if first != second)
SMALL = NeededPairs(pairs=20, feedback=16, concepts=12)


def in_finnish(thing: str) -> str:
    """The tiny vocabulary's other language: each word means the one after it, so English reading misleads."""
    return " ".join(WORDS[(WORDS.index(word) + 1) % len(WORDS)] if word in WORDS else word for word in thing.split())


def clip(thing: str, **changes) -> Clip:
    values = {"captions": {"en": (f"{thing}",)}, "concept": thing, "source": "x", "licence": "CC0"}
    return Clip(f"clip/{thing}", Path("x.wav"), "0" * 64, **values | changes)


def row(query: str, thing: str, grade: float = 1.0, language: str | None = "fi", **changes) -> Row:
    values = {"weight": 0.8, "source": "judgement", "people": 1, "clip_kind": "sound"}
    return Row(query=f"text:{query}", language=language, clip_id=f"clip/{thing}", grade=grade, **values | changes)


def manifest(*rows: Row) -> Manifest:
    return Manifest("2026-11-22", rows, {}, {}, len(rows))


def collect(*rows: Row, language: str = "fi", clips=None, given=()):
    shown = Gallery("g", clips or tuple(clip(thing) for thing in THINGS))
    return teaching_pairs.collect(manifest(*rows), language, teaching_pairs.descriptions(shown, rows), given)


def test_captions_and_queries_that_fit_become_pairs_with_the_clips_english_and_nothing_else_does():
    found = collect(
        row("hund", "dog cat"),
        row("koira", "dog cat", source="caption"),
        row("osittain", "dog rain", 0.5),
        row("ei", "dog bird", 0.0),
        row("katze", "dog cat", language="de"),
        row("quelque", "dog cat", language=None),
        row("hund", "cat dog", language="fi-FI"),
    )
    assert {(pair.english, pair.text, pair.grade) for pair in found.pairs} == {
        ("dog cat", "hund", 1.0),
        ("dog cat", "koira", 1.0),
        ("dog rain", "osittain", 0.5),
        ("cat dog", "hund", 1.0),
    }
    assert found.counts() == {"pairs": 4, "feedback": 4, "concepts": 3, "captions": 1}


def test_what_cannot_be_learnt_is_left_out_and_counted():
    found = collect(row("hund", "no such"), row("…", "dog cat"), row("x" * 501, "dog cat"), row("a\u0007b", "dog cat"))
    assert found.pairs == ()
    assert sum(found.left_out.values()) == 4
    assert found.left_out["the clip is not in the gallery, or has no English description"] == 1


def test_an_english_caption_that_somebody_corrected_comes_before_the_gallerys():
    nameless = clip("rec 0001", captions={"fi": ("x",)}, concept=None)
    named = row("a small dog", "rec 0001", language="en-GB", source="caption")
    assert collect(row("koira", "rec 0001"), clips=(nameless,)).pairs == ()
    (pair,) = collect(row("koira", "rec 0001"), named, clips=(nameless,)).pairs
    assert (pair.english, pair.text) == ("a small dog", "koira")


def test_too_little_is_refused_with_how_much_of_what_is_missing():
    found = collect(row("hund", "dog cat"), given=[("rain", "regen")])
    with pytest.raises(RunError, match=r"58 more pairs in all \(2 of 60\), 29 more pairs out of feedback \(1 of 30\)"):
        teaching_pairs.refuse_too_little(found, "fi", NeededPairs())
    assert found.missing(NeededPairs()) == {"pairs": 58, "feedback": 29, "concepts": 19}
    teaching_pairs.refuse_too_little(found, "fi", NeededPairs(2, 1, 1))


def test_nothing_of_what_is_held_out_is_taught_neither_its_text_nor_what_it_speaks_of():
    said = [row(in_finnish(thing), thing) for thing in THINGS]
    said += [row("tier", thing) for thing in THINGS[:3]]  # one text for several things
    said += [row("andere", thing, 0.5) for thing in THINGS[5:8]]
    given = [(f"the {thing}s now", f"neu {thing}") for thing in THINGS] + [("a bucket", "ämpäri")]
    found = collect(*said, given=given)
    parted = teaching_pairs.part(found.pairs, 0)
    assert parted == teaching_pairs.part(found.pairs, 0) != teaching_pairs.part(found.pairs, 1)
    held = {pair.concept for pair in parted.held_out}
    assert len(held) >= teaching_pairs.HELD_OUT_LEAST - 1
    assert all(pair.source != "file" and pair.grade > 0.5 for pair in parted.held_out)
    assert not {pair.text for pair in parted.held_out} & {pair.text for pair in parted.taught}
    assert not [pair for pair in parted.taught if any(name in pair.english for name in held)]
    assert "a bucket" in {pair.english for pair in parted.taught}
    assert len(parted.taught) + len(parted.held_out) + parted.set_aside == len(found.pairs)


def test_a_held_out_text_is_not_ranked_against_what_it_is_known_to_fit(tiny_mla):
    pairs = [FeedbackPair(f"{thing}.", "tier", thing, 1.0, 1.0, "judgement") for thing in THINGS[:2]]
    parted = teaching_pairs.PairSplit((), (pairs[0],), 1)
    exam = teaching_gate.feedback_exam(tiny_mla, "fi", pairs, parted, ["rain bell", THINGS[1]])
    assert exam is not None and exam.texts == ("tier",) and exam.answers.shape == (4, 32)
    assert exam.relevant.tolist() == [[True, False, False, False]]
    assert exam.allowed.sum() == 2  # its English, and the one text that nobody called right


def split(*queries: Query) -> Benchmark:
    return Benchmark("sounds", "0", "dev", (clip("owl", concept="owl"), clip("train", concept="train")), queries)


def test_dev_is_asked_only_for_what_was_not_taught(tiny_mla, monkeypatch):
    heard = teaching_gate.finetune_feedback_data.TowerOutputs(split().clips, np.eye(2, 8), np.eye(2, 7))
    monkeypatch.setattr(teaching_gate.finetune_feedback_data, "hear", lambda *given: heard)
    monkeypatch.setattr(teaching_gate, "placed", lambda *given: np.eye(2, 32, dtype=np.float32))
    asked = split(
        Query("owl", "fi", "Hund katze"),
        Query("train", "fi", "juna"),
        Query("train", "fi-FI", "rautatie"),
        Query("train", "de", "zug"),
    )
    said = FeedbackPair("two owls at night", "hund", "night", 1.0, 1.0, "file")
    same = FeedbackPair("rain", "Juna!", "rain", 1.0, 1.0, "file")
    exam = teaching_gate.dev_exam(tiny_mla, "fi", asked, [said, same])
    assert exam is not None and exam.texts == ("rautatie",) and exam.relevant.tolist() == [[False, True]]
    assert teaching_gate.dev_exam(tiny_mla, "sv", asked, []) is None


def exam(part: str, count: int = 20) -> Exam:
    texts = tuple(f"text {number}" for number in range(count))
    square = np.eye(count, dtype=bool)
    return Exam(part, texts, ("fi",) * count, np.eye(count, dtype=np.float32), np.array(texts), square, square)


def answers(good: int, count: int = 20) -> np.ndarray:
    return np.array([100.0] * good + [0.0] * (count - good))


SAME = OtherLanguages(40, 2, {})


def test_the_gate_passes_what_is_better_and_leaves_the_rest_to_the_bit():
    verdict = teaching_gate.decide([(exam("feedback"), answers(2), answers(18))], SAME)
    assert verdict.passed
    report = verdict.to_json()
    assert (report["feedback"]["before"], report["feedback"]["after"], report["dev"]) == (10.0, 90.0, None)
    assert "40 of 40 texts of 2 other languages are the same to the bit" in report["said"][-1]


@pytest.mark.parametrize(
    ("exams", "others", "reason"),
    [
        ([("feedback", 5, 5)], SAME, "(a) held-out texts are not found better: +0.0 points of R@10"),
        ([("feedback", 2, 18), ("dev", 18, 2)], SAME, "(a) texts of dev are found worse: -80.0 points"),
        (
            [("feedback", 2, 18)],
            OtherLanguages(40, 2, {"de": 3}),
            "(b) texts of other languages are no longer the same: de",
        ),
        ([("feedback", 2, 18)], OtherLanguages(0, 0, {}), "(b) there is no text of another language"),
        ([], SAME, "(a) there are 0 held-out texts; wanted 10"),
    ],
)
def test_the_gate_stops_what_is_not_better_or_touches_another_language(exams, others, reason):
    given = [(exam(part), answers(old), answers(new)) for part, old, new in exams]
    verdict = teaching_gate.decide(given, others)
    assert any(line.startswith(reason) for line in verdict.failed)


def test_a_single_bit_in_another_language_is_seen():
    texts = [("en", "dog"), ("de", "hund"), ("de", "katze")]
    before = np.ones((3, 4), dtype=np.float32)
    after = before.copy()
    assert teaching_gate.unchanged(texts, before, after).changed == {}
    after[2, 1] = np.nextafter(np.float32(1), np.float32(2))
    assert teaching_gate.unchanged(texts, before, after) == OtherLanguages(3, 2, {"de": 1})
    after[2, 1], after[0, 0], before[0, 0] = 1.0, -0.0, 0.0
    assert teaching_gate.unchanged(texts, before, after).changed == {"en": 1}


@pytest.fixture
def tiny_mla(mla_folder):
    return checkpoint.load(mla_folder, "cpu")


@pytest.fixture
def mla_folder(seeing_model, tiny_text_folder, tmp_path, monkeypatch) -> Path:
    """A model folder of tiny towers that reads German by acquirers."""
    from cacara.encoders import audio

    monkeypatch.setattr(audio, "load", lambda *arguments, **named: seeing_model.audio)
    base, folder = tmp_path / "base", tmp_path / "mla"
    config = dataclasses.replace(seeing_model.config, image=None, name="mla")
    checkpoint.save(base, config, [seeing_model.head, seeing_model.centring], "---\n---\n\n# mla 1\n\nA card.\n")
    acquirers = Acquirers.prepare(seeing_model.text, AcquirerConfig(str(tiny_text_folder), 8, 16))
    transfer.fit_embedding(acquirers)
    torch.manual_seed(3)
    tensors = {name: torch.randn_like(value) * 0.1 for name, value in acquirers.new_set().state_dict().items()}
    acquirers.add(AcquirerFile("de", acquirers.space, 25, tensors))
    whole = dataclasses.replace(config, acquirers=acquirers.config)
    checkpoint.save(folder, whole, [acquirers], "# mla", base=base)
    return folder


@pytest.fixture
def database(tmp_path) -> Path:
    """Feedback in Finnish on every second thing twice, and a word of German."""
    path = tmp_path / "feedback.db"
    with Store(path) as store:
        for number, thing in enumerate(THINGS):
            about = {"clip_id": f"clip/{thing}", "language": "fi", "annotator": f"person {number % 3}"}
            if number % 3:
                store.add_judgement(judgement(**about, query_text=in_finnish(thing)))
            else:
                store.add_caption(caption(**about, caption=in_finnish(thing), caption_language="fi"))
        store.add_judgement(judgement(clip_id="clip/dog cat", language="de", query_text="hund"))
    return path


@pytest.fixture
def shown(monkeypatch):
    """The gallery, and a dev split of other languages alone."""
    monkeypatch.setattr(gallery, "load_default", lambda report: Gallery("g", tuple(clip(thing) for thing in THINGS)))
    texts = [Query("owl", code, text) for code in ("de", "en", "sv") for text in ("hund", "rain bell")]
    monkeypatch.setattr(teaching_gate, "dev_split", lambda path: split(*texts))
    monkeypatch.setattr(language_teaching, "BATCH", 8)
    monkeypatch.setattr(language_teaching, "STEPS", (40, 40))
    monkeypatch.setattr(teaching_gate, "DEPTH", 1)  # ten of twenty would be found by chance


OPTIONS = TeachFeedbackOptions("fi", needed=SMALL)


@pytest.fixture
def pairs(tmp_path) -> Path:
    path = tmp_path / "pairs.tsv"
    words = [*WORDS, "a"]
    triples = [f"{a} {b} {c}" for a in words for b in words for c in words if len({a, b, c}) == 3]
    path.write_text("\n".join(f"{text}\t{in_finnish(text)}" for text in triples), encoding="utf-8")
    return path


def test_a_language_is_taught_measured_and_written_and_no_other_one_changes(
    mla_folder, database, shown, pairs, tmp_path
):
    heard = []
    options = dataclasses.replace(OPTIONS, model=str(mla_folder), pairs=pairs, register=tmp_path / "kept")
    done = teach_feedback.teach(options, database, tmp_path / "out", tmp_path, lambda *line: heard.append(line))
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"fi.safetensors", "gate.json", "report.md"}
    report = json.loads((tmp_path / "out" / "gate.json").read_text(encoding="utf-8"))
    assert report == done["gate"]
    assert report["others"] == {"texts": 6, "languages": 3, "changed": {}}
    assert report["pairs"]["feedback"] == len(THINGS) and report["pairs"]["captions"] == 7
    model = checkpoint.load(mla_folder, "cpu")
    asked = [in_finnish(thing) for thing in THINGS]
    before = {code: model.encode_text(asked, code) for code in ("fi", "de", "en")}
    model.part(Acquirers).add_file(Path(done["acquirer"]))
    same = {code: np.array_equal(model.encode_text(asked, code), read) for code, read in before.items()}
    assert same == {"fi": False, "de": True, "en": True}
    fractions = [fraction for _, fraction, _ in heard]
    assert fractions == sorted(fractions) and heard[-1][0] == "measuring"
    assert (tmp_path / "kept" / "fi.safetensors").is_file() == report["passed"] == (done["registered"] is not None)
    again = teach_feedback.teach(options, database, tmp_path / "again", tmp_path)
    assert Path(again["acquirer"]).read_bytes() == Path(done["acquirer"]).read_bytes()


def test_both_models_read_the_other_languages_first_and_so_in_the_same_batches(
    mla_folder, database, shown, pairs, tmp_path, monkeypatch
):
    real, first = Cacara.encode_text, {}

    def encode(model, texts, languages=None, **more):
        first.setdefault(id(model), (model, list(zip(languages, texts, strict=False))))
        return real(model, texts, languages, **more)

    monkeypatch.setattr(Cacara, "encode_text", encode)
    options = dataclasses.replace(OPTIONS, model=str(mla_folder), pairs=pairs)
    teach_feedback.teach(options, database, tmp_path / "out", tmp_path)
    (_, before), (_, after) = first.values()
    assert before == after == [(code, text) for code in ("de", "en", "sv") for text in ("hund", "rain bell")]


def test_what_does_not_pass_stays_in_its_folder_with_the_reasons(
    mla_folder, database, shown, pairs, tmp_path, monkeypatch
):
    monkeypatch.setattr(Exam, "hits", lambda exam, model: answers(0, len(exam.texts)))
    options = dataclasses.replace(OPTIONS, model=str(mla_folder), pairs=pairs, register=tmp_path / "kept")
    done = teach_feedback.teach(options, database, tmp_path / "out", tmp_path)
    assert not done["gate"]["passed"] and done["registered"] is None and not (tmp_path / "kept").exists()
    words = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "did not pass the gate, so it is not used" in words and "not found better" in words
    monkeypatch.setattr(Exam, "hits", lambda exam, model: answers(9 * ("fi" in model.part(Acquirers).languages), 10))
    monkeypatch.setattr(teaching_gate, "MIN_PAIRS", 5)
    passed = teach_feedback.teach(options, database, tmp_path / "out", tmp_path)
    assert passed["gate"]["passed"] and (tmp_path / "kept" / "fi.safetensors").is_file()
    assert "It passed the gate" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_the_gate_compares_with_the_acquirers_that_read_the_language_now(
    mla_folder, database, shown, pairs, tmp_path, monkeypatch
):
    options = dataclasses.replace(OPTIONS, model=str(mla_folder), pairs=pairs)
    first = teach_feedback.teach(options, database, tmp_path / "out", tmp_path)
    current = Path(first["acquirer"])
    second = teach_feedback.teach(dataclasses.replace(options, current=current), database, tmp_path / "again", tmp_path)
    assert second["gate"]["feedback"]["before"] == second["gate"]["feedback"]["after"]
    assert not second["gate"]["passed"] and "reads fi already" in second["warnings"][-1]
    content = acquirer_files.read(current)
    acquirer_files.write(tmp_path / "sv.safetensors", dataclasses.replace(content, language="sv"))
    with pytest.raises(RunError, match="holds acquirers of sv; wanted those of fi"):
        teach_feedback.teach(
            dataclasses.replace(options, current=tmp_path / "sv.safetensors"), database, tmp_path / "x", tmp_path
        )


def test_the_command_tells_its_progress_and_too_little_is_refused(mla_folder, database, shown, pairs, tmp_path, capsys):
    told = tmp_path / "progress.jsonl"
    base = ["teach_feedback", "--database", str(database), "--language", "fi", "--model", str(mla_folder)]
    base += ["--output", str(tmp_path / "out"), "--progress", str(told)]
    assert main(base) == 1
    assert "40 more pairs in all (20 of 60)" in capsys.readouterr().err
    last = json.loads(told.read_text(encoding="utf-8").splitlines()[-1])
    assert last["stage"] == "failed" and not (tmp_path / "out").exists()
    enough = ["--pairs", str(pairs), "--needed.feedback", "10", "--needed.concepts", "10"]
    assert main([*base, *enough]) == 0
    rows = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    assert rows[-1]["stage"] == "done" and set(rows[-1]) >= {"acquirer", "gate", "registered", "warnings"}
    assert json.loads(capsys.readouterr().out)["language"] == "fi"
    assert main([*base[:4], "en-GB", *base[5:]]) == 1
    assert "is English" in capsys.readouterr().err


def test_the_status_names_each_language_with_what_there_is_and_what_is_missing(database, shown, capsys):
    assert main(["teach_feedback_status", "--database", str(database)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["language"] for row in found["languages"]] == ["fi", "de"]
    finnish = {"language": "fi", "pairs": 20, "feedback": 20, "concepts": 20, "captions": 7}
    assert found["languages"][0] == {**finnish, "missing": {"pairs": 40, "feedback": 10}}
    assert found["needed"] == {"pairs": 60, "feedback": 30, "concepts": 20}
