from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from cacara.encoders.audio import AudioTower
from cacara.encoders.yamnet import Yamnet, YamnetConfig
from cacara.galleries.manifest import Clip
from cacara.model.config import AudioConfig
from cacara.model.parts.head import AudioHead
from training import loop, run_folder
from training.data.batches import CaptionedFeatures
from training.data.features import Features
from training.loop import LoopOptions
from training.run_folder import RunError
from training.sounds.alignment import EmergentAlignment, ObjectiveOptions
from training.sounds.tower_batches import CaptionedSounds
from training.sounds.trainable import Trainable, TuningOptions, open_part

ROOT = Path(__file__).parents[2]
CLIPS, VIEWS, FEATURES, CLASSES, DIMENSION = 8, 2, 12, 7, 16
OPTIONS = LoopOptions(steps=12, batch_size=8, learning_rate=1e-2, checkpoint_every=4)


def pairs() -> CaptionedFeatures:
    """Eight clips, each with a text of its own."""
    rng = np.random.default_rng(0)
    clips = [Clip(f"c{n}", Path("-"), "0" * 64, {"en": (f"text {n}",)}, f"thing {n}", "-", "-") for n in range(CLIPS)]
    texts = rng.normal(size=(CLIPS, DIMENSION)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    features = rng.normal(size=(CLIPS, 1, FEATURES)) + 0.1 * rng.normal(size=(CLIPS, VIEWS, FEATURES))
    probabilities = rng.uniform(size=(CLIPS, VIEWS, CLASSES))
    views = Features(features.astype(np.float32), probabilities.astype(np.float32), tuple(range(CLIPS)))
    return CaptionedFeatures(clips, views, {f"text {n}": texts[n] for n in range(CLIPS)})


class Noise:
    """Patches of clips that are noise: one, two or three of them."""

    kept = tuple(range(CLIPS))

    def patches(self, index: int, rng: np.random.Generator) -> torch.Tensor:
        return torch.from_numpy(rng.normal(index, 1, (1 + index % 3, 96, 64)).astype(np.float32))


def heard() -> CaptionedSounds:
    """The same clips for a tower that learns."""
    known = pairs()
    return CaptionedSounds(known._clips, Noise(), known._embeddings)


def method(dropout: float = 0.3, part: Trainable = "projection") -> EmergentAlignment:
    torch.manual_seed(3)
    head = AudioHead(AudioConfig("yamnet", 32, 0.5, 0.5, 3, 1.0, "mean"), FEATURES, CLASSES, DIMENSION)
    head.class_embeddings.copy_(torch.nn.functional.normalize(torch.randn(CLASSES, DIMENSION), dim=-1))
    head.projection[3].p = dropout
    if part == "projection":
        return EmergentAlignment(head, ObjectiveOptions())
    tower = AudioTower(Yamnet(YamnetConfig(4, ((8, 2), (FEATURES, 2)), CLASSES)), "mean")
    open_part(tower, part, TuningOptions(last_n=1, lora_rank=2, checkpoint_gradients=part == "all"))
    return EmergentAlignment(head, ObjectiveOptions(), tower)


def weights(trained: EmergentAlignment) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trained.state_dict().items()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def metrics(output: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def run(
    output: Path, options: LoopOptions = OPTIONS, data=None, dropout: float = 0.3, part: Trainable = "projection"
) -> dict[str, torch.Tensor]:
    trained = method(dropout, part)
    loop.train(trained, data or (pairs() if part == "projection" else heard()), options, output)
    return weights(trained)


class Watched:
    """Pairs that note which items were asked for, and may stop or dawdle."""

    def __init__(self, stop_at: int | None = None, seconds_a_step: float = 0.0) -> None:
        self.data, self.stop_at, self.seconds_a_step = pairs(), stop_at, seconds_a_step
        self.asked: list[list[int]] = []

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, indices: Sequence[int], step: int, seed: int) -> dict[str, torch.Tensor]:
        if step == self.stop_at:
            raise KeyboardInterrupt
        time.sleep(self.seconds_a_step)
        self.asked.append(list(indices))
        return self.data.batch(indices, step, seed)


def test_the_loss_falls_on_eight_pairs_learnt_by_heart(tmp_path):
    run(tmp_path, LoopOptions(steps=80, batch_size=8, learning_rate=1e-2, checkpoint_every=100), dropout=0.0)
    first, last = metrics(tmp_path)[0], metrics(tmp_path)[-1]
    assert last["loss"] < 0.5 * first["loss"]
    assert last["projection"] < 0.1 * first["projection"]


def test_only_the_projection_changes(tmp_path):
    before, after = weights(method()), run(tmp_path, LoopOptions(steps=1, batch_size=8))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith("head.projection.")}


def test_two_runs_are_equal_and_another_seed_is_not(tmp_path):
    first, second = run(tmp_path / "1"), run(tmp_path / "2")
    assert equal(first, second)
    assert metrics(tmp_path / "1") == metrics(tmp_path / "2")
    assert not equal(first, run(tmp_path / "3", LoopOptions(**{**vars(OPTIONS), "seed": 1})))


def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(tmp_path):
    expected = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", data=Watched(stop_at=10))
    assert [row["step"] for row in metrics(tmp_path / "stopped")] == list(range(1, 11))
    watched = Watched()
    resumed = run(tmp_path / "stopped", data=watched)
    assert len(watched.asked) == 4  # from step 8
    assert equal(resumed, expected)
    assert metrics(tmp_path / "stopped") == metrics(tmp_path / "whole")


def test_a_run_whose_time_is_up_saves_its_state_and_goes_on_as_if_it_had_not_stopped(tmp_path, monkeypatch):
    expected = run(tmp_path / "whole")
    monkeypatch.setenv(run_folder.DEADLINE, str(time.time() - 1))
    with pytest.raises(RunError, match="time is up after step 1 of 12; run again to go on"):
        run(tmp_path / "late")
    monkeypatch.setenv(run_folder.DEADLINE, str(time.time() + 600))
    watched = Watched()
    assert equal(run(tmp_path / "late", data=watched), expected)
    assert len(watched.asked) == 11


def test_a_half_written_state_is_ignored_and_replaced(tmp_path):
    expected = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", data=Watched(stop_at=7))
    partial = tmp_path / "stopped" / "step-000008.partial"
    partial.mkdir()
    (partial / "model.safetensors").write_bytes(b"half")
    (partial / "left over").touch()
    assert equal(run(tmp_path / "stopped", data=Watched()), expected)
    assert sorted(path.name for path in (tmp_path / "stopped").iterdir()) == ["metrics.jsonl", "step-000008"]
    assert not (tmp_path / "stopped" / "step-000008" / "left over").exists()


def test_every_epoch_sees_every_item_once_in_another_order():
    epochs = [
        sum((loop._indices(12, LoopOptions(batch_size=4), step) for step in steps), [])
        for steps in (range(3), range(3, 6))
    ]
    assert [sorted(epoch) for epoch in epochs] == [list(range(12))] * 2
    assert epochs[0] != epochs[1]
    assert sorted(loop._indices(3, LoopOptions(batch_size=6), 0)) == [0, 0, 1, 1, 2, 2]  # a batch beyond the data


def test_the_rate_rises_then_falls_to_nothing():
    options = LoopOptions(steps=100, warmup_share=0.1)
    rates = [loop._rate(step, options) for step in range(100)]
    assert max(rates) == rates[9] == 1.0
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.01


@pytest.mark.parametrize(
    ("values", "complaint"),
    [({"steps": 0}, "steps is 0"), ({"batch_size": -1}, "batch_size is -1"), ({"warmup_share": 1.5}, "0 to 1")],
)
def test_options_out_of_range_are_refused(values, complaint):
    with pytest.raises(RunError, match=complaint):
        LoopOptions(**values)


def test_a_loss_that_is_no_number_stops_the_run_before_the_weights_are_spoilt(tmp_path):
    data = pairs()
    data._features[:] = float("nan")
    trained = method()
    before = weights(trained)
    with pytest.raises(RunError, match="step 1 is nan"):
        loop.train(trained, data, OPTIONS, tmp_path)
    assert equal(weights(trained), before)


# What follows runs this file as a program: a run that can be killed, and two processes that share a batch.


def start(output: Path, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, __file__, str(output), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stderr=subprocess.PIPE,
    )


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path):
    options = LoopOptions(**{**vars(OPTIONS), "steps": 40})
    process = start(tmp_path / "killed", "40", "0.3", "0.1")
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / "step-000008").exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(metrics(tmp_path / "killed")) < 40
    assert equal(run(tmp_path / "killed", options), run(tmp_path / "whole", options))
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")


@pytest.mark.parametrize("part", ["projection", "all"])
def test_two_processes_share_the_batch_and_learn_what_one_learns(tmp_path, part):
    expected = run(tmp_path / "one", dropout=0.0, part=part)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        start(tmp_path / "two", "12", "0.0", "0", part, RANK=rank, LOCAL_RANK=rank, OMP_NUM_THREADS="1", **shared)
        for rank in ("0", "1")
    ]
    for process in processes:
        assert process.wait(timeout=120) == 0, process.stderr.read().decode()
        process.stderr.close()
    first, second = (torch.load(tmp_path / f"weights-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert equal(first, second)
    for name, value in expected.items():
        torch.testing.assert_close(first[name], value, atol=1e-5 if part == "projection" else 1e-3, rtol=0)
    curves = [[row["loss"] for row in metrics(tmp_path / name)] for name in ("one", "two")]
    assert len(curves[1]) == 12
    assert curves[1] == pytest.approx(curves[0], abs=1e-5 if part == "projection" else 1e-3)
    assert curves[0][-1] < curves[0][0]
    seen = [json.loads((tmp_path / f"seen-{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]
    assert [sorted(mine + yours) for mine, yours in zip(*seen, strict=True)] == [list(range(CLIPS))] * 12


def main() -> None:
    output, steps, dropout, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    part = sys.argv[5] if len(sys.argv) > 5 else "projection"
    trained = method(dropout, part)
    labels: list[list[int]] = []  # of the share, which of eight clips with eight labels are the clips themselves
    trained.register_forward_pre_hook(lambda _, inputs: labels.append(inputs[0]["labels"].tolist()))
    options = LoopOptions(**{**vars(OPTIONS), "steps": steps})
    data = Watched(seconds_a_step=seconds) if part == "projection" else heard()
    loop.train(trained, data, options, output)
    rank = os.environ.get("RANK", "0")
    torch.save(weights(trained), output.with_name(f"weights-{rank}.pt"))
    output.with_name(f"seen-{rank}.json").write_text(json.dumps(labels), encoding="utf-8")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()


def test_bfloat16_is_computed_where_the_processor_has_hardware_for_it(monkeypatch, caplog):
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert [loop.precision_on(cpu, name) for name in ("no", "bf16", "fp16")] == ["no", "bf16", "fp16"]
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert [loop.precision_on(cpu, name) for name in ("no", "bf16", "fp16")] == ["no", "no", "fp16"]
    assert "float32" in caplog.text
    assert loop.precision_on(torch.device("cuda"), "bf16") == "bf16"
