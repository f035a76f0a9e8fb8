from __future__ import annotations

from pathlib import Path

from cacara.benchmark.dataset import benchmark_file
from cacara.galleries.manifest import Clip
from cacara.sources.texts import text_hash
from training.data.benchmarks.seen import seen_in_training

BENCHMARK = Path(__file__).parents[4] / "benchmarks" / "sounds-v1.jsonl"


def clip(*captions, concept=None):
    return Clip("x", Path("x.wav"), "0" * 64, {"en": captions}, concept, "hydrogen", "CC0")


def test_concepts_named_in_captions_or_as_concepts_are_seen_and_parts_of_words_are_not():
    clips = [clip("Two dogs bark.", "a hotdog stand"), clip("an owlish laugh"), clip("thump", concept="cat")]
    seen = seen_in_training(BENCHMARK, clips)
    assert {"dog", "cat"} <= seen.concepts and "owl" not in seen.concepts
    assert seen.texts == frozenset()
    assert seen.benchmark == benchmark_file.read(BENCHMARK).hash


def test_strings_of_the_benchmark_are_seen_whole_and_in_any_language():
    own = next(row for row in benchmark_file.read(BENCHMARK).texts if row.text)
    seen = seen_in_training(BENCHMARK, [], [own.text, f"{own.text} indeed", "a text of nobody"])
    assert seen.texts == {text_hash(own.text)} and seen.concepts == frozenset()
