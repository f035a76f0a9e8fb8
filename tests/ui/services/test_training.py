"""Counting of feedback by the training, with small programs in the place of the training."""

from __future__ import annotations

import sys
import time

import pytest

from ui.services import training
from ui.services.training import FeedbackCounter


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (["-c", "import time; time.sleep(60)"], "the feedback cannot be counted: it took longer than 0.3 s"),
        (["-c", "import sys; sys.exit('the disk is full')"], "the disk is full"),
        (["-c", "print([])"], "the training's count of the feedback is of another form"),
    ],
)
def test_why_feedback_cannot_be_counted_is_one_line_without_paths(tmp_path, monkeypatch, command, problem):
    monkeypatch.setattr(training, "TRAINING", (sys.executable, *command))
    if "took longer" in problem:
        monkeypatch.setattr(training, "STATUS_SECONDS", 0.3)
    counter, deadline = FeedbackCounter(), time.monotonic() + 60
    while (found := counter.look(tmp_path / "feedback.db", 1))[2] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert found == (None, problem, False)
