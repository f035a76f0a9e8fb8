from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from training.feedback import gate
from training.feedback.gate import Probe


def unit(*rows: list[float]) -> np.ndarray:
    made = np.array(rows, dtype=np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def probe(queries: int = 40, clips: int = 40, languages: tuple[str, ...] = ("de", "sw")) -> Probe:
    """Query n fits clip n; each is a concept of its own in turn of languages."""
    vectors = np.eye(queries, clips, dtype=np.float32)
    relevant = np.eye(queries, clips, dtype=bool)
    spoken = np.array([languages[number % len(languages)] for number in range(queries)])
    concepts = np.array([f"concept {number // len(languages)}" for number in range(queries)])
    return Probe(vectors, spoken, concepts, relevant, np.ones_like(relevant))


GOOD = np.eye(40, dtype=np.float32)
BAD = np.roll(GOOD, 1, axis=0)  # each clip lies where another query asks
"""Clips that each query finds first, and clips that it finds last, ties against it."""


def test_a_model_that_improves_what_was_judged_and_keeps_the_rest_passes():
    asked = probe()
    verdict = gate.decide(gate.compare(asked, BAD, GOOD), gate.compare(asked, GOOD, GOOD))
    assert (verdict.passed, verdict.failed) == (True, ())
    report = verdict.to_json("abc")
    assert (report["passed"], report["fingerprint"]) == (True, "abc")
    assert report["held_out"]["after"] == 100.0


def test_a_model_that_stays_as_it_was_fails_on_what_was_judged():
    same = gate.compare(probe(), GOOD, GOOD)
    assert "(a) judged concepts do not improve" in gate.decide(same, same).failed[0]


def test_where_dev_has_judged_concepts_they_decide_and_held_out_feedback_may_not_get_worse():
    asked = probe()
    same, better, worse = (gate.compare(asked, *pair) for pair in ((GOOD, GOOD), (BAD, GOOD), (GOOD, BAD)))
    assert gate.decide(same, same, better).passed
    assert gate.decide(None, same, better).passed
    assert "do not improve: +0.0 points of R@10" in gate.decide(better, same, same).failed[0]
    assert "held-out feedback is answered worse" in gate.decide(worse, same, better).failed[0]


def test_too_few_held_out_queries_prove_nothing():
    few = probe(queries=8)
    verdict = gate.decide(gate.compare(few, BAD, GOOD), gate.compare(probe(), GOOD, GOOD))
    assert "(a) has 8 held-out pairs that fit; wanted 10" in verdict.failed[0]
    assert "(a) has 0 held-out pairs" in gate.decide(None, None).failed[0]


def test_a_language_that_loses_significantly_is_named():
    asked = probe(languages=("de", "sw"))
    german = asked.languages == "de"
    spoiled = GOOD.copy()
    spoiled[german] = BAD[german]
    change = gate.compare(asked, GOOD, spoiled)
    assert change is not None
    verdict = gate.decide(gate.compare(asked, BAD, GOOD), change)
    assert [line for line in verdict.failed if line.endswith("in de")]
    assert any("points of R@10 on average" in line for line in verdict.failed)


@pytest.mark.parametrize(("points", "failed"), [(0.9, ()), (1.5, ("lose 1.5 points",))])
def test_one_point_on_average_may_be_lost_and_no_more(points, failed):
    asked = probe()
    same = gate.compare(asked, GOOD, GOOD)
    lost = dataclasses.replace(same, after=same.before - points)
    said = gate.decide(gate.compare(asked, BAD, GOOD), lost).failed
    assert len(said) == len(failed)
    assert all(part in line for part, line in zip(failed, said, strict=True))


def test_clips_that_are_not_allowed_are_not_ranked():
    asked = probe()
    allowed = asked.allowed.copy()
    allowed[:, 1:] = np.eye(40, dtype=bool)[:, 1:]  # of each query only its own clip and the first
    ranks = Probe(asked.queries, asked.languages, asked.concepts, asked.relevant, allowed).ranks(BAD)
    assert ranks.max() <= 2
    assert asked.ranks(BAD).max() > 2


def test_a_probe_without_queries_is_no_change():
    empty = Probe(np.zeros((0, 40), np.float32), *(np.zeros(0, str),) * 2, *(np.zeros((0, 40), bool),) * 2)
    assert gate.compare(empty, GOOD, GOOD) is None


def test_the_report_is_written_whole(tmp_path):
    same = gate.compare(probe(), GOOD, GOOD)
    report = gate.write(gate.decide(same, same), "abc", tmp_path / gate.GATE, model="runs/x/final")
    assert report["model"] == "runs/x/final"
    assert [path.name for path in tmp_path.iterdir()] == [gate.GATE]


@pytest.mark.parametrize("scale", [1.0, -1.0])
def test_ranks_count_ties_against_the_model(scale):
    asked = probe(queries=2, clips=40)
    assert asked.ranks(scale * unit([1.0] * 40).repeat(40, axis=0)).tolist() == [40, 40]
