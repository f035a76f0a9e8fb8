"""Calibrations: what a curve says, which one counts, and how a model's folder keeps them."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil

import pytest

from cacara.errors import CheckpointError
from cacara.model import calibration, checkpoint
from cacara.model.calibration import CALIBRATION, Calibration, Curve
from training.texts import memory

CURVE = Curve("unknown", "audio", -3.0, 6.0, 0.3, -0.5, 0.02)
MADE = Calibration("0123456789ab", (CURVE, dataclasses.replace(CURVE, query="sound", score=5.0)))


def test_a_probability_is_the_logistic_of_score_spread_and_size():
    (likely,) = CURVE.probability([0.5], 0.1, 0.2, 200)
    odds = -3.0 + 6.0 * 0.5 + 0.3 * 2.0 - 0.5 * math.log(200)
    assert likely == pytest.approx(1 / (1 + math.exp(-odds)))
    assert CURVE.probability(0.6, 0.1, 0.2, 200) > likely > CURVE.probability(0.5, 0.1, 0.2, 2000)
    assert CURVE.probability(0.5, 0.1, 0.2, 3) == CURVE.probability(0.5, 0.1, 0.2, calibration.SMALLEST)
    assert CURVE.probability(0.5, 0.5, 0.0, 1) == CURVE.probability(0.5, 0.5, 0.2, 1), "one sound has no spread"


def test_known_words_of_a_model_without_a_memory_are_unknown_ones():
    assert MADE.curve("known", "audio") is MADE.curve("unknown", "audio") is CURVE
    assert MADE.curve("english", "audio") is None and MADE.curve("unknown", "image") is None


def test_a_folder_keeps_a_calibration_which_leaves_the_fingerprint(tiny_model, tmp_path):
    for name, given in (("plain", None), ("calibrated", MADE)):
        checkpoint.save(tmp_path / name, tiny_model.config, tiny_model.parts, "# tiny\n", calibration=given)
    assert calibration.read(tmp_path / "plain") is None and calibration.read(tmp_path / "calibrated") == MADE
    checkpoint.save(
        tmp_path / "made", tiny_model.config, [tiny_model.head], "# other\n", base=str(tmp_path / "calibrated")
    )
    assert calibration.read(tmp_path / "made") is None, "another head has other scores"


def test_what_changes_scores_leaves_a_model_uncalibrated(tiny_model):
    model = tiny_model.with_parts()
    model.calibration = MADE
    assert model.variant("projection").calibration is None
    assert model.with_parts(model.head).calibration is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "format_version is 2"),
        ({"curves": [{"query": "english"}]}, "wanted a list of objects"),
        ({"curves": [dataclasses.asdict(CURVE) | {"query": "smell"}]}, "'smell'"),
        ({"curves": [dataclasses.asdict(CURVE) | {"score": "high"}]}, "score of a curve is 'high'"),
        ({"curves": [dataclasses.asdict(CURVE) | {"nothing_below": 2.0}]}, "nothing_below of a curve is 2.0"),
        ({"more": 1}, "wanted format_version, benchmark and curves"),
    ],
)
def test_a_damaged_file_is_told(tmp_path, change, message):
    (tmp_path / CALIBRATION).write_text(json.dumps(MADE.to_json() | change))
    with pytest.raises(CheckpointError, match=f"{CALIBRATION}.*{message}"):
        calibration.read(tmp_path)
    (tmp_path / CALIBRATION).write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        calibration.read(tmp_path)


def test_a_model_that_is_given_a_memory_loses_what_its_scores_meant(tmp_path):
    base = tmp_path / "base"
    shutil.copytree(checkpoint.find("cacara"), base)
    (base / CALIBRATION).write_text(json.dumps(MADE.to_json()))
    told = checkpoint.read_config(checkpoint.find("cacara-studio")).memory
    options = memory.LexicalMemoryOptions("tiny", "1", "recipe.yaml", told)
    assert not (memory.give(str(base), tmp_path / "run", options) / CALIBRATION).exists()
