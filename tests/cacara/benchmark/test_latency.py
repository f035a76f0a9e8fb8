"""Query latency: what is timed, what is evicted before, and what is kept."""

from __future__ import annotations

import pytest

from cacara import sources
from cacara.benchmark import latency
from cacara.benchmark.dataset.splits import Query
from cacara.benchmark.latency import Latency

QUERIES = [
    Query("dog", code, f"{word} {n}") for code, word in (("cs", "pes"), ("tlh", "ha"), ("en", "dog")) for n in range(30)
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "cache_folder", lambda: tmp_path)


def test_the_same_texts_are_asked_evenly_over_the_languages_that_the_benchmark_has():
    asked = latency.chosen(QUERIES)
    assert asked == latency.chosen(list(reversed(QUERIES)))
    assert [code for _, code in asked] == ["cs"] * 20 + ["en"] * 20 and len(set(asked)) == 40
    assert {code for _, code in latency.chosen(QUERIES[30:60])} == {"tlh"}


def test_every_query_goes_through_the_tower_though_the_model_remembers_it(tiny_model, monkeypatch):
    model, texts = tiny_model.variant("untrained"), ["dog", "cat a"]
    model.encode_text(texts, "en")
    real, read = model.text.tokenize, []
    monkeypatch.setattr(model.text, "tokenize", lambda given: read.append(list(given)) or real(given))
    found = latency.measure({"one": model, "two": model}, [(text, "en") for text in texts])
    assert read == [["dog"], ["dog"], ["cat a"], ["cat a"]]  # each by both models, one at a time
    assert found["one"].queries == 2 and 0 < found["one"].median_ms <= found["one"].p90_ms
    assert set(model.known_texts()) >= set(texts)


def test_what_was_measured_is_kept_and_a_damaged_file_is_measured_anew(tiny_model, tmp_path, monkeypatch, caplog):
    first = latency.of({"tiny": tiny_model}, QUERIES)
    (kept,) = (tmp_path / "latency").iterdir()
    monkeypatch.setattr(latency, "measure", lambda models, asked: {name: Latency(1, 2, 3) for name in models})
    assert latency.of({"tiny": tiny_model}, QUERIES) == first
    assert latency.of({"other": tiny_model}, QUERIES) == {"other": Latency(1, 2, 3)}
    kept.write_text("{}", encoding="utf-8")
    assert latency.of({"tiny": tiny_model}, QUERIES) == {"tiny": Latency(1, 2, 3)}
    assert "measured anew" in caplog.text
