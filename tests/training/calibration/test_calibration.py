"""Calibration: trials hold what they say, curves find what made the hits right, and thresholds keep their promises."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from cacara.model import calibration, checkpoint
from cacara.model.calibration import Curve
from training import card as model_card
from training.calibration import calibrate, fitting, trials
from training.calibration.trials import Asked, Trials


@pytest.fixture(scope="module")
def asked() -> Asked:
    """Thirty concepts of five items each and fifty strangers; queries lie near their concept's items."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(30, 16))
    concepts = [f"c{number}" for number in range(30) for _ in range(5)]
    items = np.repeat(centres, 5, axis=0) + rng.normal(scale=1.5, size=(150, 16))
    pool = np.concatenate([items, rng.normal(size=(50, 16))])
    queries = np.repeat(centres, 3, axis=0) + rng.normal(scale=1.0, size=(90, 16))
    pool, queries = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (pool, queries))
    holds = [frozenset([concept]) for concept in concepts] + [frozenset()] * 50
    wanted = [f"c{number}" for number in range(30) for _ in range(3)]
    return Asked("english", "audio", queries.astype(np.float32), wanted, pool.astype(np.float32), holds)


def test_half_of_the_trials_hold_what_is_asked_for(asked):
    drawn = trials.draw(asked, 0)
    assert len(drawn.concepts) == 90 * 2 * 2, "of the sizes 50 and 100 each with and without"
    assert drawn.present.mean() == 0.5 and not drawn.right[~drawn.present].any()
    assert set(drawn.sizes.tolist()) == {50, 100} and (np.diff(drawn.scores, axis=1) <= 0).all()
    assert drawn.right[drawn.present].any(axis=1).mean() > 0.5
    again = trials.draw(asked, 0)
    assert all(np.array_equal(getattr(drawn, name), getattr(again, name)) for name in ("scores", "right", "means"))


def test_a_query_that_is_an_item_does_not_find_itself(asked):
    pool = asked.pool[:150]
    concepts = [next(iter(held)) for held in asked.holds[:150]]
    found = trials.draw(dataclasses.replace(asked, vectors=pool, concepts=concepts, own=range(150), query="sound"), 0)
    assert found.scores.max() < 0.999


def test_a_fit_finds_the_curve_that_made_the_hits_right():
    rng = np.random.default_rng(1)
    true = Curve("english", "audio", -2.0, 6.0, 0.5, -0.4)
    count = 4000
    scores = -np.sort(-rng.uniform(0, 0.8, (count, 10)), axis=1)
    sizes = rng.choice(np.array([50, 200, 800]), count)
    blank = Trials(
        "english",
        "audio",
        np.array([f"c{number % 40}" for number in range(count)]),
        scores,
        np.zeros((count, 10), bool),
        rng.uniform(0, 0.2, count),
        rng.uniform(0.1, 0.2, count),
        sizes,
        np.ones(count, bool),
    )
    right = rng.random((count, 10)) < fitting.probabilities(true, blank)
    (found,) = fitting.fit([dataclasses.replace(blank, right=right)])
    for name, width in (("intercept", 0.4), ("score", 0.5), ("spread", 0.1), ("size", 0.1)):
        assert getattr(found, name) == pytest.approx(getattr(true, name), abs=width)


def test_cross_validated_probabilities_come_true_and_beat_the_share(asked):
    drawn = trials.draw(asked, 0)
    (told,) = fitting.cross_validated([drawn], 0)
    measured = fitting.reliability(drawn, told, 0.0)
    assert measured["ece"] < 0.03 and measured["log_loss"] < 0.9 * measured["log_loss_of_share"]
    assert measured["nothing"]["of_absent"] == 0.0 and measured["nothing"]["none_right"] is None


def test_a_threshold_keeps_both_promises(asked):
    drawn = trials.draw(asked, 0)
    (told,) = fitting.cross_validated([drawn], 0)
    below = fitting.threshold(drawn, told)
    nothing = fitting.reliability(drawn, told, below)["nothing"]
    assert below > 0 and nothing["of_absent"] > nothing["of_present"] > 0
    assert nothing["none_right"] >= fitting.RIGHT_WHEN_SAID and nothing["of_present"] <= fitting.SAID_WRONGLY
    always = dataclasses.replace(drawn, right=np.ones_like(drawn.right))
    assert fitting.threshold(always, told) == 0.0, "where every hit is right nothing is ever said not to fit"


def test_a_model_is_given_its_calibration_and_keeps_its_weights(asked, tiny_model, tmp_path):
    base = tmp_path / "base"
    checkpoint.save(base, tiny_model.config, tiny_model.parts, "# tiny 1\n\nAbout.\n")
    curves, measured = calibrate.fit([[asked]], 0)
    made = calibrate._write(base, tmp_path / "made", calibration.Calibration("0" * 12, tuple(curves)), measured)
    assert [(curve.query, curve.target) for curve in calibration.read(made).curves] == [("english", "audio")]
    for name in (checkpoint.CONFIG, checkpoint.WEIGHTS):
        assert (made / name).read_bytes() == (base / name).read_bytes()
    described = (made / checkpoint.CARD).read_text()
    again = calibrate._write(made, tmp_path / "again", calibration.Calibration("1" * 12, ()), measured)
    assert described.count("## Calibration") == 1 and (again / checkpoint.CARD).read_text() == described
    other = model_card.with_section(described, "Beside", "More.")
    assert model_card.without_section(other, "Calibration") == "# tiny 1\n\nAbout.\n\n## Beside\n\nMore.\n"
    assert "| english → audio | 360, 30 concepts |" in calibrate.to_markdown(
        {"model": "tiny", "cross_validated": measured, "second_look": measured}
    )
    json.dumps(measured, allow_nan=False)
