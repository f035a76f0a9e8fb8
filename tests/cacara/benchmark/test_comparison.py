from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from cacara.benchmark.comparison import Contender, compare
from cacara.benchmark.dataset.splits import Benchmark, Query
from cacara.benchmark.outcome import NO_LANGUAGE, outcome_of
from cacara.benchmark.report.comparison_tables import to_markdown
from cacara.benchmark.report.page import to_html
from cacara.benchmark.retrieval import AS_THE_MODEL_HAS_IT, measure
from cacara.galleries.manifest import Clip
from cacara.model.seen_texts import SeenTexts
from cacara.sources.texts import text_hash

CONCEPTS = [f"concept{number:02d}" for number in range(20)]
LANGUAGES = ("de", "en", "en-GB", "sw")
BENCHMARK = Benchmark(
    "tiny",
    "0123456789ab",
    "dev",
    tuple(Clip(name, Path(name), "0" * 64, {}, name, "tuxpaint", "GPL-2") for name in CONCEPTS),
    tuple(Query(name, code, f"{code} {name}") for name in CONCEPTS for code in LANGUAGES),
)


class Knows:
    """Finds the first ``known`` concepts of each language first, and the last of all for the others."""

    def __init__(self, **known):
        self.known = known

    def encode_text(self, texts, languages=None, *, centre=True):
        assert centre is None
        rows = []
        for text in texts:
            code, concept = text.split()
            row = -np.eye(20)[CONCEPTS.index(concept)]
            rows.append(-row if CONCEPTS.index(concept) < self.known.get(code.replace("-", "_"), 0) else row)
        return np.array(rows, dtype=np.float32)

    def encode_audio(self, waveforms):
        return np.eye(20, dtype=np.float32)


def contender(name, *systems, seen=None):
    waveforms = [np.zeros(1, np.float32)] * 20
    asked = {f"{number}": system for number, system in enumerate(systems)}
    measured = measure(asked, BENCHMARK, waveforms, modes=[AS_THE_MODEL_HAS_IT])
    return Contender(name, tuple(run.outcomes for run in measured), seen, {"versions": ["1"] * len(systems)})


@pytest.fixture(scope="module")
def weak():
    return contender("weak", Knows(en=10, de=4, sw=0))


@pytest.fixture(scope="module")
def strong():
    seen = SeenTexts("0123456789ab", frozenset(CONCEPTS[:5]), frozenset({text_hash("sw concept00")}))
    return contender("strong", Knows(en=10, de=12, sw=8), seen=seen)


@pytest.fixture(scope="module")
def report(weak, strong):
    return compare([weak, strong], BENCHMARK)


def test_the_tests_are_as_counted_by_hand(report):
    (test,) = [t for t in report["tests"] if (t["direction"], t["metric"]) == ("text_to_audio", "recall_at_1")]
    assert (test["first"], test["second"]) == ("weak", "strong")
    assert test["english"] == {"difference": 0.0, "ci95": [0.0, 0.0], "p": 1.0}
    # Concepts 4 to 11 gain in German, 0 to 7 in Swahili: eight one-way coins each, 2 of 2^8 throws as extreme.
    assert test["languages"]["de"] | {"ci95": None} == {
        "difference": 40.0,
        "ci95": None,
        "p": round(2 / 2**8, 6),
        "p_holm": round(4 * 2 / 2**8, 6),
        "significant": True,
    }
    assert test["languages"]["sw"]["p_holm"] == round(4 * 2 / 2**8, 6)
    assert (test["better"], test["worse"]) == (2, 0)
    # Together: 4 of twelve concepts gain twice; all must go the same way.
    assert test["mean_other"]["difference"] == 40.0
    assert test["mean_other"]["p"] == round(2 / 2**12, 6)
    lower, upper = test["mean_other"]["ci95"]
    assert 20 < lower < 40 < upper < 60


def test_a_dialect_of_english_is_tested_and_in_no_mean(report):
    assert set(report["tests"][0]["languages"]) == set(LANGUAGES)
    assert report["models"][0]["summary"]["text_to_audio"]["languages"] == 2
    assert "dialects of English, in no mean: en-GB" in report["notes"]


def test_what_was_seen_of_another_benchmark_is_no_figure_of_this_one(strong):
    other = dataclasses.replace(strong, seen=dataclasses.replace(strong.seen, benchmark="ba9876543210"))
    found = compare([other], BENCHMARK)
    assert found["models"][0]["seen"] is None
    assert "what was seen in training is stated of another benchmark than tiny: strong" in found["notes"]


def test_seen_and_unseen_are_apart(report):
    weak, strong = report["models"]
    assert weak["seen"] is None
    assert "no statement of what was seen in training: weak" in report["notes"]
    seen = strong["seen"]["text_to_audio"]
    assert (seen["concepts_seen"], seen["texts_seen"]) == (5, 1)
    # Concepts 0 to 4 are known in both other languages; of the other 15 seven in German and three in Swahili.
    assert seen["by_concept"]["seen"]["mean_other"]["recall_at_1"] == 100.0
    assert seen["by_concept"]["unseen"]["mean_other"]["recall_at_1"] == pytest.approx(100 * (7 + 3) / 30, abs=1e-4)
    assert seen["by_text"]["seen"]["english"] is None
    assert seen["by_text"]["seen"]["mean_other"]["queries"] == 1
    assert seen["by_text"]["unseen"]["mean_other"]["queries"] == 39
    assert "by_text" not in strong["seen"]["audio_to_text"]


def test_seeds_have_a_mean_and_a_spread():
    seeds = contender("seeds", Knows(en=10, de=4), Knows(en=12, de=4), Knows(en=14, de=4))
    report = compare([seeds, contender("alone", Knows(en=6))], BENCHMARK)
    english = report["models"][0]["summary"]["text_to_audio"]["english"]
    assert (english["recall_at_1"], english["std_recall_at_1"]) == (60.0, 10.0)
    assert report["models"][0]["directions"]["text_to_audio"]["de"]["std_recall_at_1"] == 0.0
    assert "std_recall_at_1" not in report["models"][1]["summary"]["text_to_audio"]["english"]
    (test,) = [t for t in report["tests"] if (t["direction"], t["metric"]) == ("text_to_audio", "recall_at_1")]
    assert test["english"]["difference"] == -30.0
    assert "60.0 ± 10.0" in to_markdown(report) and "60.0<small> ± 10.0</small>" in to_html(report)


def test_one_model_alone_is_a_report_without_tests(weak):
    report = compare([weak], BENCHMARK)
    assert report["tests"] == []
    assert "weak" in to_markdown(report) and "weak" in to_html(report)


def test_rank_consistency_hubs_and_confusions_are_there(report):
    weak = report["models"][0]
    # Concept 0 is first in English and German and last in Swahili and en-GB: ranks 1, 1, 20, 20.
    ranks = weak["rank_consistency"]["text_to_audio"]["concepts"]["concept00"]
    assert ranks == {"mean_rank": 10.5, "std_rank": 9.5, "languages": 4}
    assert weak["rank_consistency"]["text_to_audio"]["mean_rank_variance"] == pytest.approx(
        (4 * 90.25 + 6 * 67.6875) / 20, abs=1e-4
    )
    assert len(weak["hubness"]["text_to_audio"]["hubs"]) == 10
    assert 0 <= weak["hubness"]["text_to_audio"]["orphans"] <= 100
    first = weak["confusions"]["text_to_audio"][0]
    assert (first["asked"], first["given"], first["queries"]) == ("concept10", "concept00", 4)


def test_z_scores_compare_models_language_by_language(weak, strong):
    third = contender("third", Knows(en=10, de=8, sw=4))
    z = compare([weak, third, strong], BENCHMARK)["z_scores"]["text_to_audio"]
    assert [z[name]["languages"]["en"] for name in ("weak", "third", "strong")] == [0.0, 0.0, 0.0]
    assert z["weak"]["mean_other"] < 0 < z["strong"]["mean_other"]
    assert "en-GB" not in z["weak"]["languages"]


def test_a_direction_without_texts_is_reported_beside_the_others(weak):
    relevant = np.eye(20, dtype=bool)
    pictures = outcome_of(np.eye(20, dtype=np.float32), relevant, CONCEPTS, CONCEPTS, CONCEPTS, CONCEPTS)
    outcomes = weak.runs[0] | {"audio_to_image": {NO_LANGUAGE: pictures}}
    report = compare([Contender("seeing", (outcomes,)), weak], BENCHMARK)
    summary = report["models"][0]["summary"]["audio_to_image"]
    assert (summary["english"], summary["mean_other"], summary["languages"]) == (None, None, 0)
    assert summary["without_language"]["recall_at_1"] == 100.0
    assert "audio_to_image" not in report["models"][1]["summary"]
    assert report["directions"] == ["text_to_audio", "audio_to_text", "audio_to_image"]
    assert "## audio to image" in to_markdown(report) and "audio to image" in to_html(report)


def test_models_that_were_asked_other_things_are_not_compared(weak):
    shorter = Contender("shorter", ({name: {"en": rows["en"]} for name, rows in weak.runs[0].items()},))
    with pytest.raises(ValueError, match="weak and shorter were not asked the same in text_to_audio"):
        compare([weak, shorter], BENCHMARK)
    with pytest.raises(ValueError, match="each name once"):
        compare([weak, weak], BENCHMARK)
    with pytest.raises(ValueError, match="wanted one or more"):
        compare([], BENCHMARK)


def test_the_report_is_strict_json_and_the_same_each_time(report, weak, strong):
    text = json.dumps(report, allow_nan=False)
    assert json.dumps(compare([weak, strong], BENCHMARK), allow_nan=False) == text


def test_markdown_puts_the_worst_language_first_and_marks_what_differs(report):
    text = to_markdown(report)
    assert text.startswith("# weak, strong on tiny (0123456789ab), dev\n")
    table = text.split("### Languages, R@10, worst first")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0] for row in rows] == ["| en-GB", "| sw", "| de", "| en"]
    assert "40.0+" in rows[1] and "+" not in rows[3]
    assert "| strong − weak | R@1 | +0.0 (+0.0 to +0.0), p = 1.000 |" in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_the_page_asks_nothing_of_the_network_and_escapes_names(weak):
    evil = Contender("</script><b>&", weak.runs)
    page = to_html(compare([weak, evil], BENCHMARK))
    outside = page.replace(page[page.index("<script>") : page.rindex("<script>")], "")  # without plotly's own code
    assert "</script><b>" not in outside and "&lt;/script&gt;&lt;b&gt;&amp;" in outside
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", outside)
    assert "default-src 'none'" in page
    charts = json.loads(re.search(r'<script id="charts" type="application/json">(.*?)</script>', page, re.DOTALL)[1])
    assert "differences|text_to_audio|weak → </script><b>&|recall_at_10" in charts
    assert {key.split("|")[0] for key in charts} == {
        "recalls", "languages", "consistency", "confusions", "hubs", "differences"
    }  # fmt: skip


def test_quality_and_cost_stand_in_one_table(weak, strong):
    cost = {
        "trained_parameters": {"sounds": 723_840, "pictures": 855_424, "texts": 1_327_104, "all": 2_906_368},
        "training": {"data": "556 <b>sounds", "minutes": 15},
        "query_latency": {"median_ms": 20.4, "p90_ms": 31.0, "queries": 40},
    }
    untold = cost | {"training": {"data": "", "minutes": None}}
    told = compare(
        [Contender("weak", weak.runs, about={"cost": cost}), Contender("strong", strong.runs, about={"cost": untold})],
        BENCHMARK,
    )
    text = to_markdown(told)
    table = text.split("## Quality and cost\n\n")[1].split("\n\n")[0].splitlines()
    assert table[0].startswith("| model | text to audio: English, others R@1/10 | trained parameters")
    assert table[2] == (
        "| weak | 50.0 / 50.0, 10.0 / 10.0 | 2.91 M: 1.33 + 0.72 + 0.86 | 556 <b>sounds | 15 | 20, 31 ms |"
    )
    assert table[3].endswith("| not told | not told | 20, 31 ms |")
    assert any(note.startswith("a query: from its text") for note in told["notes"])
    page = to_html(told)
    assert "<h2>Quality and cost</h2>" in page and "<td>556 &lt;b&gt;sounds</td>" in page
    plain = compare([weak, strong], BENCHMARK)
    assert "Quality and cost" not in to_markdown(plain) + to_html(plain)


def test_every_chart_is_a_figure_that_plotly_takes(report, weak, strong):
    import plotly.graph_objects as go

    from cacara.benchmark.report.charts import charts

    third = contender("third", Knows(en=1))
    found = charts(compare([weak, strong, third], BENCHMARK))
    assert any(key.startswith("z_scores") for key in found)
    for figure in found.values():
        go.Figure(figure)  # raises on an unknown property
    heat = found["languages|text_to_audio"]
    assert heat["layout"]["yaxis"]["ticktext"][0] == "English (United Kingdom) en-GB"  # the worst on top
    assert heat["data"][0]["z"][0] == [0.0, 0.0] * 3
