"""Services on a tiny real model, for all tests of the app; and the feedback desk that search does not need."""

from __future__ import annotations

import asyncio
import csv
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from cacara.media import audio
from feedback_db.records.opinions import FeedbackError
from ui.services.engine import Engine
from ui.services.services import Feedback, Services

Made = TypeVar("Made")

CAPTIONS = {
    "dog.wav": {"en": "A dog.", "de": "Ein Hund.", "ar": "كلب."},
    "cat.wav": {"en": 'A <b>cat</b> & "kitten".', "de": "Eine Katze."},
    "bell.wav": {"en": "A bell."},
    "rain.wav": {"en": "Rain."},
}


def make_gallery(folder: Path) -> Path:
    """Write four short sounds, a picture for one of them, and their captions."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for number, name in enumerate(CAPTIONS):
        times = np.arange(16_000) / audio.SAMPLE_RATE_HZ
        sound = 0.3 * np.sin(2 * np.pi * 220 * (number + 1) * times) + 0.05 * random.normal(size=times.size)
        audio.write_wav(folder / name, sound.astype(np.float32))
    (folder / "dog.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(32))
    with (folder / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "language", "text", "concept"])
        for name, texts in CAPTIONS.items():
            rows.writerows([name, language, text, Path(name).stem] for language, text in texts.items())
    return folder


def make_services(model, folder: Path) -> Services:
    """Return services whose engine is ready, over the gallery of ``make_gallery``."""
    from cacara.galleries.gallery import load_folder
    from cacara.search.retriever import Retriever

    gallery = load_folder(make_gallery(folder / "gallery"))
    engine = Engine(lambda report: Retriever(model, gallery, report))
    engine._run()  # in this thread, so that nothing has to wait
    assert engine.status.phase == "ready", engine.status
    return Services(engine, Feedback(folder / "feedback" / "feedback.db"))


def in_event_loop(make: Callable[[], Made]) -> Made:
    """Return what ``make`` returns, made inside an event loop: outside one, gr.Blocks makes two and leaks one.

    In a thread of its own, as the browser tests leave a loop running in this one.
    """

    async def run() -> Made:
        return make()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(run())).result()


def test_the_database_is_made_at_the_first_use_not_before(tmp_path):
    feedback = Feedback(tmp_path / "new" / "feedback.db")
    assert not (tmp_path / "new").exists()
    assert feedback.problem() == ""
    assert (tmp_path / "new" / "feedback.db").is_file()
    feedback.store().close()


def test_a_database_that_cannot_be_placed_is_a_problem_in_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    feedback = Feedback(tmp_path / "file" / "feedback.db")
    assert "cannot be placed" in feedback.problem()
    with pytest.raises(FeedbackError):
        feedback.store()


def test_a_locked_database_is_opened_once_it_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr("ui.services.services.OPENING_SECONDS", 0.1)
    path = tmp_path / "feedback.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("begin exclusive")
    feedback = Feedback(path)
    assert "locked" in feedback.problem()
    holder.execute("rollback")
    holder.close()
    assert feedback.problem() == ""
    feedback.store().close()
