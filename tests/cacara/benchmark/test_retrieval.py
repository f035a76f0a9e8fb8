from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from cacara.benchmark.dataset.splits import Benchmark, Query
from cacara.benchmark.report.tables import to_markdown
from cacara.benchmark.retrieval import MODES, Mode, evaluate, measure, write_report
from cacara.galleries.manifest import Clip

CLIPS = (("dog1", "dog"), ("dog2", "dog"), ("cat1", "cat"), ("bell1", "bell"))
# Clip i is the i-th unit vector, so a text's embedding is its row of scores against the four clips.
SCORES = {
    "a dog": (0.1, 0.9, 0.3, 0.2),
    "a cat": (0.8, 0.2, 0.5, 0.1),
    "a bell": (0.9, 0.8, 0.7, 0.6),
    "mbwa": (0.9, 0.1, 0.1, 0.1),
    "paka": (0.9, 0.0, 0.5, 0.0),
    "Hund": (1.0, 0.0, 0.0, 0.0),
    "the dog": (0.0, 0.0, 1.0, 0.0),
}
QUERIES = (
    Query("dog", "en", "a dog"),
    Query("cat", "en", "a cat"),
    Query("bell", "en", "a bell"),
    Query("dog", "sw", "mbwa"),
    Query("cat", "sw", "paka"),
    Query("dog", "de", "Hund"),
    Query("dog", "en-GB", "the dog"),
)


class FixedSystem:
    """Gives each text its row of ``SCORES``; constant when it must detect, negated when not centred."""

    def __init__(self) -> None:
        self.calls = []

    def encode_text(self, texts, languages=None, *, centre=True):
        self.calls.append((tuple(texts), languages, centre))
        rows = np.array([SCORES[text] if languages else (0.5,) * 4 for text in texts], dtype=np.float32)
        return rows if centre else -rows

    def encode_audio(self, waveforms):
        return np.eye(4, dtype=np.float32)[[int(waveform[0]) for waveform in waveforms]]


def benchmark_of(clips=CLIPS, queries=QUERIES):
    made = [Clip(name, Path(name), "0" * 64, {}, concept, "tuxpaint", "GPL-2") for name, concept in clips]
    return Benchmark("tiny", "0123456789ab", "test", tuple(made), tuple(queries))


WAVEFORMS = [np.full(3, position, dtype=np.float32) for position in range(4)]


@pytest.fixture
def report():
    return evaluate({"fixed": FixedSystem()}, benchmark_of(), WAVEFORMS)


def test_text_to_audio_is_as_counted_by_hand(report):
    languages = report["directions"]["text_to_audio"]
    # Ranks: a dog 1, a cat 2, a bell 4; mbwa 1, paka 2; Hund 1; the dog 3 (bell1 ties with the dogs).
    assert {code: row["recall_at_1"] for code, row in languages.items()} == {
        "en": 33.3333,
        "sw": 50.0,
        "de": 100.0,
        "en-GB": 0.0,
    }
    assert all(row["recall_at_5"] == row["recall_at_10"] == 100.0 for row in languages.values())
    assert {code: row["queries"] for code, row in languages.items()} == {
        "en": 3,
        "sw": 2,
        "de": 1,
        "en-GB": 1,
    }


def test_audio_to_text_is_as_counted_by_hand(report):
    languages = report["directions"]["audio_to_text"]
    # English ranks: dog1 3, dog2 1, cat1 2, bell1 1. Swahili: dog1 2 (a tie), dog2 1, cat1 1, no bell.
    assert languages["en"]["recall_at_1"] == 50.0
    assert languages["sw"]["recall_at_1"] == 66.6667
    assert {code: (row["queries"], row["left_out"]) for code, row in languages.items()} == {
        "en": (4, 0),
        "sw": (3, 1),
        "de": (2, 2),
        "en-GB": (2, 2),
    }


def test_the_summary_is_a_mean_of_languages_without_english_or_its_dialects(report):
    summary = report["summary"]["text_to_audio"]
    assert summary["english"] == report["directions"]["text_to_audio"]["en"]
    assert summary["mean_other"]["recall_at_1"] == 75.0
    assert summary["mean_other"]["queries"] == 3
    assert summary["languages"] == 2
    assert summary["transfer_ratio_recall_at_1"] == pytest.approx(2.25, abs=1e-4)
    assert summary["transfer_ratio_recall_at_10"] == 1.0
    assert "dialects of English, in no mean: en-GB" in report["notes"]


def test_the_report_has_the_agreed_layout(report):
    assert set(report) == {"model", "benchmark", "split", "directions", "summary", "rows", "notes"}
    assert (report["model"], report["split"]) == ("fixed", "test")
    assert report["benchmark"] == {"name": "tiny", "hash": "0123456789ab"}
    figures = {
        "recall_at_1",
        "recall_at_5",
        "recall_at_10",
        "queries",
        "ci95_recall_at_1",
        "ci95_recall_at_10",
        "chance_recall_at_10",
        "left_out",
    }
    assert set(report["directions"]) == set(report["summary"]) == {"text_to_audio", "audio_to_text"}
    for direction, languages in report["directions"].items():
        summary = report["summary"][direction]
        assert set(summary) == {
            "english",
            "mean_other",
            "languages",
            "transfer_ratio_recall_at_1",
            "transfer_ratio_recall_at_10",
        }
        for row in (*languages.values(), summary["english"], summary["mean_other"]):
            assert set(row) == figures
            assert 0.0 <= row["recall_at_1"] <= row["recall_at_5"] <= row["recall_at_10"] <= 100.0
            for depth in (1, 10):
                lower, upper = row[f"ci95_recall_at_{depth}"]
                assert 0.0 <= lower <= row[f"recall_at_{depth}"] <= upper <= 100.0


def test_every_system_has_a_row_in_every_mode():
    systems = {"both": FixedSystem(), "untrained": FixedSystem()}
    report = evaluate(systems, benchmark_of(), WAVEFORMS)
    assert [(row["system"], row["language"], row["centred"]) for row in report["rows"]] == [
        ("both", "given", True),
        ("untrained", "given", True),
        ("both", "detected", True),
        ("untrained", "detected", True),
        ("both", "given", False),
        ("untrained", "given", False),
        ("both", "detected", False),
        ("untrained", "detected", False),
    ]
    assert report["model"] == "both"
    assert report["rows"][0]["summary"] == report["summary"]


def test_the_modes_reach_the_system():
    system = FixedSystem()
    evaluate({"fixed": system}, benchmark_of(), WAVEFORMS)
    swahili = [(languages, centre) for texts, languages, centre in system.calls if texts == ("mbwa", "paka")]
    assert swahili == [("sw", True), (None, True), ("sw", False), (None, False)]


def test_a_system_that_tells_nothing_apart_scores_nothing_and_has_no_ratio(report):
    detected = next(row for row in report["rows"] if row["language"] == "detected")
    summary = detected["summary"]["text_to_audio"]
    assert summary["english"]["recall_at_1"] == summary["mean_other"]["recall_at_1"] == 0.0
    assert summary["transfer_ratio_recall_at_1"] is None


def test_shared_texts_are_encoded_once_a_language_and_mode():
    systems = {"both": FixedSystem(), "untrained": FixedSystem()}
    shared = evaluate(systems, benchmark_of(), WAVEFORMS, shared_text=True)
    assert len(systems["both"].calls) == 4 * len(MODES)
    assert systems["untrained"].calls == []
    assert shared == evaluate(systems, benchmark_of(), WAVEFORMS)


def test_the_order_of_clips_and_queries_does_not_matter(report):
    order = [2, 0, 3, 1]
    queries = random.Random(0).sample(QUERIES, len(QUERIES))
    shuffled = benchmark_of([CLIPS[position] for position in order], queries)
    assert report == evaluate({"fixed": FixedSystem()}, shuffled, [WAVEFORMS[position] for position in order])


def test_a_text_of_two_concepts_is_one_candidate_and_two_queries():
    queries = (Query("dog", "sw", "mbwa"), Query("cat", "sw", "mbwa"), Query("cat", "sw", "paka"))
    (measured,) = measure({"fixed": FixedSystem()}, benchmark_of(queries=queries), WAVEFORMS, modes=[Mode()])
    # For a dog "mbwa" finds dog1 first; for a cat it finds cat1, which ties with dog2 and bell1, fourth.
    asked = measured.outcomes["text_to_audio"]["sw"]
    assert sorted(zip(asked.concepts, asked.ranks.tolist(), strict=True)) == [
        ("cat", 2),
        ("cat", 4),
        ("dog", 1),
    ]
    heard = measured.outcomes["audio_to_text"]["sw"]
    assert (heard.candidates, heard.left_out) == (2, 1)
    # For cat1 both texts are right, so it cannot miss.
    assert dict(zip(heard.concepts, heard.ranks.tolist(), strict=True))["cat"] == 1


def test_a_concept_without_clips_is_left_out_and_counted():
    queries = (*QUERIES, Query("whale", "fr", "a dog"))
    (measured,) = measure({"fixed": FixedSystem()}, benchmark_of(queries=queries), WAVEFORMS, modes=[Mode()])
    assert all("fr" not in outcomes for outcomes in measured.outcomes.values())
    queries = (*QUERIES, Query("whale", "de", "mbwa"))
    (measured,) = measure({"fixed": FixedSystem()}, benchmark_of(queries=queries), WAVEFORMS, modes=[Mode()])
    assert measured.outcomes["text_to_audio"]["de"].left_out == 1


def test_a_benchmark_without_english_has_no_ratio():
    queries = tuple(query for query in QUERIES if query.language == "sw")
    summary = evaluate({"fixed": FixedSystem()}, benchmark_of(queries=queries), WAVEFORMS)["summary"]
    assert summary["text_to_audio"]["english"] is None
    assert summary["text_to_audio"]["transfer_ratio_recall_at_10"] is None


def test_a_benchmark_of_english_alone_has_no_mean_of_others():
    queries = tuple(query for query in QUERIES if query.language == "en")
    report = evaluate({"fixed": FixedSystem()}, benchmark_of(queries=queries), WAVEFORMS)
    assert report["summary"]["text_to_audio"]["mean_other"] is None
    assert "| – |" in to_markdown(report)


def test_the_interval_of_the_mean_draws_a_concept_for_all_languages_at_once():
    generator = np.random.default_rng(0)
    count, languages = 40, ("aa", "bb", "cc", "dd")
    hard = generator.random(count) < 0.5  # the same concepts fail in every language
    clips = [(f"clip{number}", f"concept{number}") for number in range(count)]
    queries = [Query(f"concept{n}", code, f"{n}") for n in range(count) for code in languages]

    class Oracle:
        def encode_text(self, texts, languages=None, *, centre=True):
            wanted = np.eye(count, dtype=np.float32)[[int(text) for text in texts]]
            return np.where(hard[[int(text) for text in texts]], -1, 1)[:, None] * wanted

        def encode_audio(self, waveforms):
            return np.eye(count, dtype=np.float32)

    waveforms = [np.zeros(1, np.float32)] * count
    report = evaluate({"oracle": Oracle()}, benchmark_of(clips, queries), waveforms, modes=[Mode()])
    row = report["directions"]["text_to_audio"]["aa"]
    assert report["summary"]["text_to_audio"]["mean_other"]["ci95_recall_at_10"] == row["ci95_recall_at_10"]


def test_progress_goes_from_nothing_to_done():
    told = []
    evaluate({"fixed": FixedSystem()}, benchmark_of(), WAVEFORMS, progress=lambda *step: told.append(step))
    assert told[0] == (0.0, "fixed: 4 sounds")
    assert told[-1] == (1.0, "done")
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)


def test_waveforms_that_do_not_match_the_clips_are_refused():
    with pytest.raises(ValueError, match="3 waveforms of 4 clips"):
        evaluate({"fixed": FixedSystem()}, benchmark_of(), WAVEFORMS[:3])
    with pytest.raises(ValueError, match="0 systems"):
        evaluate({}, benchmark_of(), WAVEFORMS)
    with pytest.raises(ValueError, match="0 texts"):
        evaluate({"fixed": FixedSystem()}, benchmark_of(queries=()), WAVEFORMS)


def test_the_tables_name_the_benchmark_and_put_the_worst_language_first():
    # Ten more clips, all alike, make recall@10 fall where a text ties with them.
    clips = [*CLIPS, *((f"noise{number}", "noise") for number in range(10))]
    waveforms = [*WAVEFORMS, *[np.full(3, 2, np.float32)] * 10]
    text = to_markdown(evaluate({"fixed": FixedSystem()}, benchmark_of(clips), waveforms))
    assert text.startswith("# fixed on tiny (0123456789ab), test\n")
    first = text.split("| language | R@1")[1].splitlines()[2]
    assert first.startswith("| en-GB | 0.0 | 0.0 | 0.0 |")
    assert text.index("| fixed | given | yes |") < text.index("| language | R@1")
    assert "ties count against the system" in text


def test_a_written_report_is_strict_json_and_leaves_nothing_else(report, tmp_path):
    path = tmp_path / "report.json"
    write_report(report, path)
    assert json.loads(path.read_text(encoding="utf-8")) == report
    assert list(tmp_path.iterdir()) == [path]


def test_queries_that_stand_in_a_lexicon_and_those_that_do_not_are_counted_apart():
    kinds = {"a dog": "entry", "mbwa": "entry", "a cat": "unseen", "paka": "unseen", "a bell": "unseen"}
    queries = [Query(query.concept, query.language, query.text, kinds.get(query.text)) for query in QUERIES]
    report = evaluate({"fixed": FixedSystem()}, benchmark_of(queries=queries), WAVEFORMS)
    found = report["rows"][0]["kinds"]
    recalls = {
        (kind, who): (row["recall_at_1"], row["queries"])
        for kind, summary in found.items()
        for who, row in summary.items()
        if who in ("english", "mean_other")
    }
    assert recalls == {
        ("entry", "english"): (100.0, 1),
        ("entry", "mean_other"): (100.0, 1),
        ("unseen", "english"): (0.0, 2),
        ("unseen", "mean_other"): (0.0, 1),
    }
    assert "| unseen | 2, 1 | 0.0 / 100.0 / 100.0 |" in to_markdown(report)
