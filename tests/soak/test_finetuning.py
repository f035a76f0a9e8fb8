"""Fine-tuning on a thousand real judgements: how long it takes, and that a kill changes nothing (``make soak``)."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from searching import search

from feedback_db.records.opinions import Judgement
from feedback_db.store.store import Store

pytestmark = [pytest.mark.soak, pytest.mark.weights]

ROOT = Path(__file__).parents[2]
JUDGEMENTS = 1000
LANGUAGES = ("de", "fr", "es", "pl", "cs", "fi")
LIMIT_SECONDS = 600.0
STEPS = 2000
"""Enough that a kill falls between two states; the recipe's hundred pass in a moment."""


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """Return a database of a thousand judgements by somebody who knows what each sound of the gallery is."""
    from cacara.search import setup
    from cacara.sources.clients import silent

    retriever = setup.prepare(place="tuxpaint", report=silent)
    clips = {clip.clip_id: clip for clip in retriever.gallery.clips if clip.concept}
    names = {
        (clip.captions[language][0], language): clip.concept
        for clip in clips.values()
        for language in LANGUAGES
        if language in clip.captions
    }
    path = tmp_path_factory.mktemp("judged") / "feedback.db"
    judged = 0
    with Store(path) as store:
        for (query, language), concept in sorted(names.items()):
            for hit in search(retriever, query, language=language, top=8):
                if hit.clip_id in clips and judged < JUDGEMENTS:
                    label = "relevant" if clips[hit.clip_id].concept == concept else "not_relevant"
                    store.add_judgement(judgement(query, language, hit, label))
                    judged += 1
    assert judged == JUDGEMENTS
    return path


def judgement(query, language, hit, label):
    return Judgement(
        query_text=query,
        recording_sha256=None,
        consent=False,
        language=language,
        gallery="default",
        annotator="ana",
        clip_id=hit.clip_id,
        rank=hit.rank,
        score=hit.score,
        model=None,
        model_version=None,
        label=label,
    )


def command(database, output, *more):
    start = [sys.executable, "-m", "training", "finetune_feedback", "--recipe", "training/recipes/feedback.yaml"]
    return [*start, "--database", str(database), "--base", "cacara-studio", "--output", str(output), *more]


def weights_of(output):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((output / "final").glob("*.safetensors"))
    }


def test_a_thousand_judgements_are_trained_on_within_ten_minutes(database, tmp_path, record_property):
    begin = time.perf_counter()
    subprocess.run(command(database, tmp_path / "run"), cwd=ROOT, check=True, capture_output=True, timeout=1800)
    seconds = time.perf_counter() - begin
    record_property("seconds", seconds)
    sys.stdout.write(f"a thousand judgements: {seconds:.0f} s\n")
    assert weights_of(tmp_path / "run") and (tmp_path / "run" / "gate.json").is_file()
    assert seconds <= LIMIT_SECONDS


def test_a_run_killed_in_the_middle_goes_on_to_the_same_bytes(database, tmp_path):
    longer = ("--options.loop.steps", str(STEPS), "--options.loop.checkpoint_every", "100")
    subprocess.run(command(database, tmp_path / "whole", *longer), cwd=ROOT, check=True, capture_output=True)
    killed = tmp_path / "killed"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command(database, killed, *longer), cwd=ROOT, stdout=log, stderr=log)
        while process.poll() is None and not list(killed.rglob("step-000100")):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, (tmp_path / "log").read_text()[-2000:]
    assert not (killed / "final").exists()
    subprocess.run(command(database, killed, *longer), cwd=ROOT, check=True, capture_output=True)
    assert weights_of(killed) == weights_of(tmp_path / "whole") != {}
