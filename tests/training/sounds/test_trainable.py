from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cacara.benchmark.dataset.benchmark_file import file_hash
from cacara.encoders import text
from cacara.encoders.audio import AudioTower
from cacara.galleries.manifest import Clip
from cacara.model import checkpoint
from tests.training.sounds.test_alignment import World, noise, tiny_yamnet, world  # noqa: F401
from training.data import features
from training.data.features import ViewOptions
from training.run_folder import RunError
from training.sounds import tower_batches
from training.sounds.tower_batches import CaptionedSounds
from training.sounds.trainable import TuningOptions, frozen_stages, open_part

VIEWS = ViewOptions(views=2, max_seconds=1.0)
PARTS = ("last_n", "all", "lora")
TUNING = TuningOptions(last_n=1, lora_rank=2, rate=0.5)


@pytest.fixture
def tower() -> AudioTower:
    return AudioTower(tiny_yamnet(None), "mean").eval()


@pytest.fixture
def clips(tmp_path, monkeypatch) -> list[Clip]:
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    paths = [noise(tmp_path / f"{number}.wav", number) for number in range(3)]
    return [Clip(path.stem, path, file_hash(path), {"en": (path.stem,)}, path.stem, "-", "-") for path in paths]


def embeddings(clips: list[Clip]) -> dict[str, np.ndarray]:
    return {clip.clip_id: np.eye(8, dtype=np.float32)[number] for number, clip in enumerate(clips)}


def learning(tower: AudioTower) -> set[str]:
    return {name for name, parameter in tower.named_parameters() if parameter.requires_grad}


def test_the_wanted_part_is_open_and_nothing_else(tower):
    names = {name for name, _ in tower.named_parameters()}
    stem = {name for name in names if name.startswith("network.stem")}
    last = {name for name in names if name.startswith("network.blocks.1.")}
    first = {name for name in names if name.startswith("network.blocks.0.")}
    expected = {"projection": set(), "last_n": last, "all": stem | first | last}
    for trainable, wanted in expected.items():
        opened = open_part(tower, trainable, TUNING)
        assert learning(tower) == wanted == set(opened.changed_weights())
        assert opened.parameters == sum(dict(tower.named_parameters())[name].numel() for name in wanted)
    assert "network.classifier.weight" not in learning(tower)


def test_low_rank_updates_sit_on_the_pointwise_convolutions_and_change_nothing_at_first(tower, noise):  # noqa: F811
    before = tower([np.linspace(-1, 1, 20_000, dtype=np.float32)])
    opened = open_part(tower, "lora", TUNING)
    assert set(opened.updates) == {"network.blocks.0.pointwise", "network.blocks.1.pointwise"}
    assert learning(tower) == {f"{name}.{half}" for name in opened.updates for half in ("down", "up")}
    after = tower([np.linspace(-1, 1, 20_000, dtype=np.float32)])
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert opened.changed_weights() == {} and len(opened.changed_updates()) == 4


def test_low_rank_updates_of_the_last_stages_leave_the_first_frozen(tower):
    options = dataclasses.replace(TUNING, lora_stages=1)
    assert frozen_stages(tower, "lora", options) == 2 and frozen_stages(tower, "lora", TUNING) == 0
    assert set(open_part(tower, "lora", options).updates) == {"network.blocks.1.pointwise"}


class Kept:
    """Counts the numbers that are kept for the way back."""

    def __init__(self) -> None:
        self.numbers = 0

    def pack(self, value: torch.Tensor) -> torch.Tensor:
        self.numbers += value.numel()
        return value


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda tower: open_part(tower, "some", TUNING), "trainable is 'some'; wanted one of projection"),
        (lambda tower: open_part(tower, "last_n", TuningOptions(last_n=4)), "last_n is 4; the audio tower has 3"),
        (
            lambda tower: open_part(tower, "lora", TuningOptions(lora_stages=4)),
            "lora_stages is 4; the audio tower has 3",
        ),
        (lambda tower: TuningOptions(lora_stages=-1), "tuning.lora_stages is -1"),
        (lambda tower: TuningOptions(lora_rank=0), "tuning.lora_rank is 0"),
        (lambda tower: TuningOptions(rate=0.0), "tuning.rate is 0.0"),
    ],
)
def test_what_cannot_be_opened_is_refused(tower, make, complaint):
    with pytest.raises(RunError, match=complaint):
        make(tower)


def test_a_part_that_is_computed_twice_learns_the_same(tower):
    patches = torch.randn(4, 96, 64, generator=torch.Generator().manual_seed(0))
    gradients = []
    for again in (False, True):
        copied = copy.deepcopy(tower).train()
        open_part(copied, "all", dataclasses.replace(TUNING, checkpoint_gradients=again))
        kept = Kept()
        with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda value: value):
            copied.encode(patches, [1, 3])[0].square().sum().backward()
        gradients.append((copied.network.stem.weight.grad, kept.numbers))
    torch.testing.assert_close(gradients[0][0], gradients[1][0])
    assert gradients[1][1] < 0.7 * gradients[0][1]


@pytest.mark.parametrize("begin", [0, 1, 2, 3])
def test_kept_views_go_on_behind_the_frozen_stages_as_whole_clips_would(tower, clips, begin):
    data = CaptionedSounds(clips, tower_batches.keep_views(clips, tower, begin, VIEWS), embeddings(clips))
    batch = data.batch([2, 0, 1, 1], step=5, seed=0)
    assert batch["labels"].tolist() == [2, 0, 1, 1] and batch["texts"].argmax(1).tolist() == [2, 0, 1, 1]
    whole = features.compute(clips, tower, VIEWS)
    with torch.inference_mode():
        own = torch.arange(batch["patches"].shape[1]) < batch["counts"][:, None]
        heard, probabilities = tower.encode(batch["patches"][own], batch["counts"].tolist(), begin)
    for row, clip in enumerate([2, 0, 1, 1]):
        distances = np.abs(whole.features[clip] - heard[row].numpy()).max(1)
        view = int(distances.argmin())
        assert distances[view] < 0.01  # kept in half precision
        np.testing.assert_allclose(probabilities[row].numpy(), whole.probabilities[clip, view], atol=0.01)


@pytest.mark.parametrize("cached", [True, False])
def test_a_batch_depends_on_nothing_but_its_step_and_processes_share_it(tower, clips, cached):
    views = (
        tower_batches.keep_views(clips, tower, 0, VIEWS) if cached else tower_batches.fresh_views(clips, tower, VIEWS)
    )
    data = CaptionedSounds(clips, views, embeddings(clips))
    whole = data.batch([0, 1, 2, 0], step=3, seed=1)
    again = data.batch([0, 1, 2, 0], step=3, seed=1)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    for rows in (slice(0, 2), slice(2, 4)):
        share = data.share([0, 1, 2, 0], 3, 1, rows)
        for name in ("counts", "texts", "labels"):
            assert torch.equal(share[name], whole[name][rows])
        longest = share["patches"].shape[1]
        assert torch.equal(share["patches"], whole["patches"][rows, :longest])
    assert not torch.equal(data.batch([0, 1, 2, 0], 4, 1)["patches"], whole["patches"])


def test_fresh_views_leave_unreadable_clips_out_once_and_tell_of_one_that_vanishes(tower, clips):
    clips[1].path.write_bytes(b"RIFF")
    views = tower_batches.fresh_views(clips, tower, VIEWS)
    assert views.kept == (0, 2)
    clips[0].path.unlink()
    with pytest.raises(features.AudioError, match="0 could be read when the run began and cannot now"):
        views.patches(0, np.random.default_rng(0))


@pytest.mark.parametrize("trainable", PARTS)
def test_a_trained_tower_is_saved_loads_and_the_text_tower_is_bit_identical(world, trainable, monkeypatch):  # noqa: F811
    seen: list[tuple[torch.nn.Module, dict[str, torch.Tensor]]] = []
    load = text.load

    def loaded(*arguments, **options):
        tower = load(*arguments, **options)
        seen.append((tower, {name: value.clone() for name, value in tower.state_dict().items()}))
        return tower

    monkeypatch.setattr(text, "load", loaded)
    final = world.train(trainable=trainable, tuning=TUNING)
    [(tower, before)] = seen
    assert all(torch.equal(value, before[name]) for name, value in tower.state_dict().items())
    tensors = load_file(final / "model.safetensors")
    changed = {name for name in tensors if name.startswith(("audio.", "audio_lora."))}
    wanted = {
        "last_n": "audio.network.blocks.1.pointwise.weight",
        "all": "audio.network.stem.weight",
        "lora": "audio_lora.network.blocks.0.pointwise.up",
    }
    assert wanted[trainable] in changed
    assert len(changed) == {"last_n": 6, "all": 15, "lora": 4}[trainable]
    model = checkpoint.load(final)
    fresh = AudioTower(tiny_yamnet(None), "mean").state_dict()
    different = {name for name, value in model.audio.state_dict().items() if not torch.equal(value, fresh[name])}
    expected = {name.removeprefix("audio.") for name in changed}
    if trainable == "lora":
        expected = {f"network.blocks.{block}.pointwise.weight" for block in (0, 1)}
    assert different == expected
    assert f"({trainable}): these are in this folder" in (final / "README.md").read_text(encoding="utf-8")


def test_the_loaded_tower_is_the_one_that_was_trained(world, monkeypatch):  # noqa: F811
    trained = []
    save = checkpoint.save

    def saved(folder: Path, config, parts, *arguments, **options):
        trained.append(parts[0])
        save(folder, config, parts, *arguments, **options)

    towers = []
    from training.sounds import alignment

    original = alignment.open_part
    monkeypatch.setattr(checkpoint, "save", saved)
    monkeypatch.setattr(alignment, "open_part", lambda tower, *rest: towers.append(tower) or original(tower, *rest))
    model = checkpoint.load(world.train(trainable="lora", tuning=TUNING))
    waveform = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)
    with torch.inference_mode():
        expected = trained[0].eval()(*towers[0].eval()([waveform])).numpy()
    np.testing.assert_allclose(model.encode_audio([waveform]), expected, atol=1e-5)


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("trainable", ["last_n", "lora"])
def test_a_stopped_run_of_a_tower_that_learns_goes_on_to_the_same_bytes(world, monkeypatch, trainable, cached):  # noqa: F811
    changes = {"trainable": trainable, "tuning": dataclasses.replace(TUNING, cached=cached)}
    first = (world.train(**changes) / "model.safetensors").read_bytes()
    again = dataclasses.replace(world, output=world.output.with_name("again"))
    share = CaptionedSounds.share

    def stop(self, indices, step, seed, rows):
        if step == 3:
            raise KeyboardInterrupt
        return share(self, indices, step, seed, rows)

    with monkeypatch.context() as patch:
        patch.setattr(CaptionedSounds, "share", stop)
        with pytest.raises(KeyboardInterrupt):
            again.train(**changes)
    assert (again.train(**changes) / "model.safetensors").read_bytes() == first
    steps = (again.output / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in steps] == [1, 2, 3, 4, 5]


def test_the_tower_has_its_own_rate(world, monkeypatch):  # noqa: F811
    final = world.train(trainable="all", tuning=dataclasses.replace(TUNING, rate=1e-9))
    stem = load_file(final / "model.safetensors")["audio.network.stem.weight"]
    torch.testing.assert_close(stem, tiny_yamnet(None).stem.weight.detach(), atol=1e-9, rtol=1e-7)
