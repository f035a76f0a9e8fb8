"""Fine-tuning on feedback with heads of toy width: what learns, what it learns, how it goes on, what it refuses."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from cacara.model import checkpoint, weights_file
from cacara.model.config import AudioConfig
from cacara.model.parts.head import AudioHead
from training import progress
from training.feedback import data as finetune_feedback_data
from training.feedback import finetuning
from training.feedback.data import HeldOutOptions, MinimumFeedback, TowerOutputs
from training.feedback.finetuning import FeedbackOptions
from training.feedback.manifest import Row
from training.feedback.method import FeedbackBatches, FeedbackObjective, FeedbackTuning, JudgedPairs
from training.loop import LoopOptions
from training.progress import ProgressFile
from training.run_folder import METRICS, RunError

ROOT = Path(__file__).parents[3]
CLIPS, QUERIES, WIDTH = 12, 4, 16


def make_head() -> AudioHead:
    torch.manual_seed(0)
    head = AudioHead(AudioConfig("yamnet", 24, 0.5, 0.5, 3, 1.0, "mean"), 8, 6, WIDTH)
    head.class_embeddings.copy_(torch.nn.functional.normalize(torch.randn(6, WIDTH), dim=-1))
    return head.eval()


def make_pairs() -> JudgedPairs:
    """Query n is judged with clips n, n+1 and n+2; the first fits, the second partly, the third does not."""
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(QUERIES, WIDTH)).astype(np.float32)
    rows = [(query, query + step) for query in range(QUERIES) for step in range(3)]
    return JudgedPairs(
        queries / np.linalg.norm(queries, axis=1, keepdims=True),
        rng.normal(size=(CLIPS, 8)).astype(np.float32),
        rng.uniform(size=(CLIPS, 6)).astype(np.float32),
        np.array(rows),
        np.array([1.0, 0.5, 0.0] * QUERIES, dtype=np.float32),
        np.ones(len(rows), dtype=np.float32),
        np.arange(8, CLIPS),
    )


def options(steps: int = 60, **objective: float) -> FeedbackOptions:
    loop = LoopOptions(steps=steps, batch_size=8, learning_rate=3e-3, weight_decay=0.0, checkpoint_every=10)
    return FeedbackOptions(objective=FeedbackObjective(**objective), loop=loop)


def scores(head: AudioHead, pairs: JudgedPairs) -> np.ndarray:
    with torch.inference_mode():
        return pairs.queries @ head(torch.from_numpy(pairs.features), torch.from_numpy(pairs.probabilities)).numpy().T


def tune(tmp_path: Path, **objective: float) -> tuple[AudioHead, AudioHead, JudgedPairs]:
    base, pairs = make_head(), make_pairs()
    return base, finetuning.tune(base, pairs, options(**objective), tmp_path, ProgressFile(None)), pairs


def test_what_fits_rises_by_its_grade_and_what_does_not_falls(tmp_path):
    base, tuned, pairs = tune(tmp_path, contrast=0.1)
    change = (scores(tuned, pairs) - scores(base, pairs))[pairs.pairs[:, 0], pairs.pairs[:, 1]]
    fits, partly, wrong = (change[pairs.grades == grade].mean() for grade in (1.0, 0.5, 0.0))
    assert fits > partly
    assert fits > 0.2
    assert wrong < 0.05


def test_without_the_pull_clips_that_nobody_judged_move_further(tmp_path):
    moved = []
    for pull in (10.0, 0.0):
        base, tuned, pairs = tune(tmp_path / str(pull), pull=pull)
        change = np.abs(scores(tuned, pairs) - scores(base, pairs))
        moved.append(change[:, pairs.rehearsed].mean())
    assert moved[0] < 0.5 * moved[1]


def test_a_pair_with_a_larger_weight_is_learnt_more(tmp_path):
    base, pairs = make_head(), make_pairs()
    weights = np.where(pairs.pairs[:, 0] == 0, 1.0, 0.05).astype(np.float32)
    weighted = dataclasses.replace(pairs, weights=weights)
    tuned = finetuning.tune(base, weighted, options(), tmp_path, ProgressFile(None))
    change = scores(tuned, pairs) - scores(base, pairs)
    assert change[0, 0] > max(change[query, query] for query in range(1, QUERIES))


def test_the_head_that_is_saved_gives_what_the_training_saw():
    pairs = make_pairs()
    method = FeedbackTuning(make_head(), pairs, FeedbackObjective())
    with torch.no_grad():
        method.offset.normal_(0, 0.1)
        trained = method.embed(method.features, method.probabilities)
        head = method.finish()
        saved = head(torch.from_numpy(pairs.features), torch.from_numpy(pairs.probabilities))
    torch.testing.assert_close(saved, trained)


def test_the_projection_alone_learns_unless_the_class_embeddings_are_asked_to(tmp_path):
    for rate, more in ((0.0, set()), (1.0, {"class_embeddings"})):
        base, tuned, _ = tune(tmp_path / str(rate), anchor_rate=rate)
        before, after = base.state_dict(), tuned.state_dict()
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed == {name for name in before if name.startswith("projection.")} | more


def test_batches_know_all_that_was_judged_among_their_rows_and_nothing_else():
    batch = FeedbackBatches(make_pairs()).batch(range(8), 0, 0)
    known = {(0, 0): 1.0, (0, 1): 0.5, (0, 2): 0.0}
    for row, query in enumerate(batch["queries"].tolist()):
        for column, clip in enumerate(batch["clips"].tolist()):
            wanted = known.get((0, clip - query), -1.0)
            assert batch["grades"][row, column] == wanted
    assert set(batch["rehearsed"].flatten().tolist()) <= set(range(8, CLIPS))


def test_a_run_that_is_killed_goes_on_to_the_same_weights(tmp_path):
    whole = finetuning.tune(make_head(), make_pairs(), options(), tmp_path / "whole", ProgressFile(None))
    code = (
        "import sys; sys.path[:0] = ['tests', '.']\n"
        "from pathlib import Path\n"
        "import tests.training.feedback.test_finetuning as t\n"
        "from training.feedback import finetuning as f\n"
        "from training.feedback.method import FeedbackBatches\n"
        "slow = FeedbackBatches.batch\n"
        "def batch(self, indices, step, seed):\n"
        "    import time; time.sleep(0.05 * (step > 20)); return slow(self, indices, step, seed)\n"
        "FeedbackBatches.batch = batch\n"
        f"told = f.ProgressFile(None); folder = Path({str(tmp_path / 'killed')!r})\n"
        "f.tune(t.make_head(), t.make_pairs(), t.options(), folder, told)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    metrics = tmp_path / "killed" / METRICS
    while process.poll() is None and not (metrics.is_file() and len(metrics.read_text().splitlines()) > 23):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert sorted(path.name for path in (tmp_path / "killed").glob("step-*") if not path.suffix) == ["step-000020"]
    resumed = finetuning.tune(make_head(), make_pairs(), options(), tmp_path / "killed", ProgressFile(None))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def row(query: str, clip: str, grade: float = 1.0, language: str = "de") -> Row:
    return Row(f"text:{query}", language, clip, "sound", grade, 1.0, "judgement", 1)


def test_too_little_feedback_is_refused_with_how_much_is_missing():
    rows = [row("hund", f"clip {number}", float(number % 2)) for number in range(10)]
    with pytest.raises(RunError, match=r"50 more pairs \(10 of 60\), 15 more positives \(5 of 20\).*9 more queries"):
        finetune_feedback_data.refuse_too_little(rows, MinimumFeedback())
    finetune_feedback_data.refuse_too_little(rows, MinimumFeedback(10, 5, 5, 1, 10))


def test_what_is_held_out_is_the_same_each_time_and_about_as_much_as_was_asked():
    rows = [row(f"q{n % 30}", f"c{n % 20}", 1.0, ("de", "sw", "fr", "ja", "en")[n % 5]) for n in range(300)]
    held = finetune_feedback_data.hold_out(rows, 0.2, 0)
    assert held == finetune_feedback_data.hold_out(rows[::-1], 0.2, 0)
    assert len(held.clips) == 4
    languages = {each.language for each in rows if each.query in held.queries}
    assert len(languages) == 1  # a whole language
    assert held != finetune_feedback_data.hold_out(rows, 0.2, 1)
    few = finetune_feedback_data.hold_out([row(f"q{n}", f"c{n}") for n in range(20)], 0.2, 0)
    assert len(few.queries) == 4  # of one language, single wordings


def test_held_out_pairs_that_fit_meet_held_out_pairs_that_do_not(tiny_clips):
    rows = [row("hund", "c0"), row("hund", "c1"), row("katze", "c1", 0.0), row("katze", "c2"), row("hund", "c3", 0.0)]
    vectors = {f"text:{name}": np.eye(WIDTH, dtype=np.float32)[n] for n, name in enumerate(("hund", "katze"))}
    by_clip = finetune_feedback_data.held_out_contests(
        rows, HeldOutOptions(frozenset({"c1"}), frozenset()), tiny_clips, vectors
    )
    assert by_clip.fitting.tolist() == [[0, 1]]
    assert [each.tolist() for each in by_clip.rivals] == [[[1, 1]]]  # the other query of the same clip
    asked = HeldOutOptions(frozenset(), frozenset({"text:hund"}))
    by_query = finetune_feedback_data.held_out_contests(rows, asked, tiny_clips, vectors)
    assert by_query.fitting.tolist() == [[0, 0], [0, 1]]
    assert [each.tolist() for each in by_query.rivals] == [[[0, 3]], [[0, 3]]]  # the other clips of the same query
    clips = np.eye(4, WIDTH, dtype=np.float32)
    assert by_query.won(clips).tolist() == [100.0, 0.0]  # a tie is no win
    assert finetune_feedback_data.rehearsal(tiny_clips, rows) == [3]


@pytest.fixture
def tiny_clips(tmp_path) -> TowerOutputs:
    from cacara.galleries.manifest import Clip

    clips = tuple(Clip(f"c{n}", tmp_path, "0" * 64, {"en": ("A dog.",)}, "dog", "s", "CC0-1.0") for n in range(4))
    return TowerOutputs(clips, np.zeros((4, 8), np.float32), np.zeros((4, 6), np.float32))


def test_the_written_model_differs_from_its_base_in_its_heads_name_and_card_alone(tiny_model, tmp_path):
    base = tmp_path / "base"
    checkpoint.save(base, tiny_model.config, [tiny_model.head, tiny_model.centring], "The base's card.")
    head = copy.deepcopy(tiny_model.head)
    with torch.no_grad():
        head.projection[1].weight.add_(1.0)
    named = dataclasses.replace(tiny_model.config, name="tiny-feedback", version="2")
    checkpoint.save(tmp_path / "final", named, [head], "# Tuned\n\nThe base's card.", base=base)
    assert checkpoint.read_config(tmp_path / "final") == named
    (_, before), (_, after) = (weights_file.read(tmp_path / name / checkpoint.WEIGHTS) for name in ("base", "final"))
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"head.projection.1.weight"}
    assert before.keys() == after.keys()
    card = (tmp_path / "final" / checkpoint.CARD).read_text()
    assert card.startswith("# Tuned")
    assert card.endswith("The base's card.")


def test_progress_is_lines_of_json_with_the_newest_losses(tmp_path):
    told = ProgressFile(tmp_path / "progress.jsonl")
    (tmp_path / METRICS).write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.5}\n')
    told.tell("prepare", 0.5, "sounds")
    told.step(tmp_path, "sound", 2, 100)
    first, second = map(json.loads, (tmp_path / "progress.jsonl").read_text().splitlines())
    assert first == {"stage": "prepare", "fraction": 0.5, "message": "sounds"}
    assert (second["stage"], second["fraction"], second["loss"], second["step"]) == ("train", 0.02, 1.5, 2)
    assert progress.last_losses(tmp_path / "none") == {}


def test_the_command_refuses_too_little_and_says_how_much_there_is(tmp_path):
    from feedback_db.records.opinions import Judgement
    from feedback_db.store.store import Store

    with Store(tmp_path / "feedback.db") as store:
        about = {"recording_sha256": None, "consent": False, "gallery": "g", "annotator": "ana", "language": "de"}
        ranked = {"rank": 1, "score": 0.5, "model": "cacara", "model_version": "1"}
        store.add_judgement(Judgement(query_text="hund", clip_id="dog", label="relevant", **about, **ranked))
    command = [sys.executable, "-m", "training"]
    where = ["--database", str(tmp_path / "feedback.db")]
    tuning = [*command, "finetune_feedback", *where, "--output", str(tmp_path / "run")]
    tuning += ["--progress", str(tmp_path / "progress.jsonl")]
    environment = os.environ | {"CACARA_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(tuning, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "59 more pairs (1 of 60)" in done.stderr
    last = json.loads((tmp_path / "progress.jsonl").read_text().splitlines()[-1])
    assert (last["stage"], "19 more positives" in last["message"]) == ("failed", True)
    said = json.loads(subprocess.run([*command, "feedback_status", *where], cwd=ROOT, capture_output=True).stdout)
    assert (said["pairs"], said["missing"]["positives"], said["needed"]["positives"]) == (1, 19, 20)
