from __future__ import annotations

import copy
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cacara import sources
from cacara.benchmark.dataset import benchmark_file
from cacara.benchmark.dataset.benchmark_file import Rows, SoundRow, TextRow, file_hash
from cacara.encoders import audio as audio_backbones
from cacara.encoders.class_names import CLASS_NAMES
from cacara.encoders.yamnet import Yamnet, YamnetConfig
from cacara.errors import ManifestError
from cacara.galleries.manifest import Clip
from cacara.media import audio
from cacara.model import checkpoint
from cacara.model.config import ProfileConfig, TextConfig
from cacara.model.parts.head import AudioHead
from cacara.model.parts.profile import ClassProfile
from cacara.sources.texts import text_hash
from training import loop
from training.data import corpora, features, text_statistics
from training.data.batches import CaptionedFeatures
from training.data.features import ViewOptions
from training.loop import LoopOptions
from training.run_folder import RunError
from training.sounds.alignment import EmergentAlignment, EmergentAlignmentOptions, HeadOptions, ObjectiveOptions, train

SOUNDS = "usr/share/games/simutrans/pak/sound"
NAMES = ["Dog, bark", "Cat", "Rain", "Bird", "Bell", "Speech", "Inside, small room"]


def noise(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, 4800)
    audio.write_wav(path, samples.astype(np.float32))
    return path


def tiny_yamnet(report) -> Yamnet:
    torch.manual_seed(5)
    yamnet = Yamnet(YamnetConfig(8, ((16, 2), (24, 2)), len(NAMES)))
    torch.seed()  # a backbone may draw what it likes
    return yamnet


@dataclasses.dataclass(frozen=True)
class World:
    """Tiny packages in a cache of their own, a benchmark, and a model to train on them."""

    options: EmergentAlignmentOptions
    benchmark: Path
    sounds: Path
    held_out: Path
    output: Path

    def train(self, **changes) -> Path:
        return train(dataclasses.replace(self.options, **changes), self.output, self.benchmark)


@pytest.fixture
def world(tmp_path, monkeypatch, tiny_text_folder) -> World:
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(audio_backbones.BACKBONES, "tiny", tiny_yamnet)
    monkeypatch.setitem(CLASS_NAMES, "tiny", lambda: NAMES)
    packages = {}
    for key in ("simutrans", "ovos", "cldr"):
        row = sources.source(key)
        packages[key] = sources.cache_folder() / "sources" / f"{key}-{row.version.replace(':', '_').replace('~', '_')}"
    sounds = packages["simutrans"] / SOUNDS
    for seed, name in enumerate(("horse", "gavel", "explosion", "cash", "steam", "bus", "desert", "comet-jet")):
        noise(sounds / f"{name}.wav", seed)
    for language, word in {"en": "dog", "de": "hund"}.items():
        names = {chr(0x1F300 + n): {"tts": [f"{word} {n}"]} for n in range(120)}
        path = packages["cldr"] / "package" / "annotations" / language / "annotations.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"annotations": {"annotations": names}}), encoding="utf-8")
    held_out = noise(packages["ovos"] / "dog.wav", 50)
    rows = Rows(
        "tiny-v1",
        1,
        {},
        (SoundRow("test", "dog", "ovos/dog", "ovos", "dog.wav", file_hash(held_out)),),
        (TextRow("test", "dog", "en", "own", "own", text_hash("a dog"), "a dog"),),
    )
    benchmark_file.write(rows, tmp_path / "tiny-v1.jsonl")
    options = EmergentAlignmentOptions(
        name="tiny",
        version="1",
        licence="CC0-1.0",
        licence_reason="All of it is noise.",
        recipe="tiny.yaml",
        packages=("simutrans",),
        text=TextConfig(str(tiny_text_folder), "query: ", 16),
        audio_backbone="tiny",
        head=HeadOptions(hidden=16, anchor_top=3),
        views=ViewOptions(views=2, max_seconds=1.0),
        loop=LoopOptions(steps=5, batch_size=4, checkpoint_every=2),
    )
    return World(options, tmp_path / "tiny-v1.jsonl", sounds, held_out, tmp_path / "run")


def test_a_run_leaves_exactly_these_files_and_a_model_that_loads(world, noise):
    final = world.train()
    assert final == world.output / "final"
    assert {str(path.relative_to(world.output)) for path in world.output.rglob("*") if path.is_file()} == {
        "options.json",
        "metrics.jsonl",
        "step-000004/model.safetensors",
        "step-000004/optimizer.bin",
        "step-000004/scheduler.bin",
        "step-000004/random_states_0.pkl",
        "final/config.json",
        "final/model.safetensors",
        "final/README.md",
        "final/seen.json",
    }
    model = checkpoint.load(final)
    assert (model.name, model.version, model.languages) == ("tiny", "1", ("de", "en"))
    assert model.config.audio.backbone == "tiny" and model.config.text.max_tokens == 16
    assert model.encode_text(["dog"], "de").shape == model.encode_audio([noise]).shape == (1, 32)
    steps = [json.loads(line) for line in (world.output / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["step"] for row in steps] == [1, 2, 3, 4, 5]
    assert set(steps[0]) == {"step", "loss", "contrastive", "projection", "distillation"}


def test_the_checkpoint_holds_the_head_and_the_centres_but_no_tower(world):
    tensors = load_file(world.train() / "model.safetensors")
    assert {name.split(".")[0] for name in tensors} == {"head", "centring"}
    assert tensors["head.class_embeddings"].shape == (len(NAMES), 32)
    assert float(tensors["head.class_weights"].max()) == 1
    assert tensors["centring.means"].abs().sum() > 0


def test_the_folder_says_what_the_run_was_and_the_card_what_it_saw(world):
    final = world.train()
    stored = json.loads((world.output / "options.json").read_text(encoding="utf-8"))
    assert stored["options"] == json.loads(json.dumps(dataclasses.asdict(world.options)))
    assert stored["benchmark"] == benchmark_file.read(world.benchmark).hash
    card = (final / "README.md").read_text(encoding="utf-8")
    for expected in (
        "license: cc0-1.0",
        "# tiny 1",
        f"tiny-v1, hash {stored['benchmark']}",
        f"| simutrans | {sources.source('simutrans').package} ",
        "All of it is noise.",
        "--recipe tiny.yaml",
        "7 classes of AudioSet",
        f"{stored['clips']['count']} clips",
    ):
        assert expected in card, expected


def test_two_runs_give_the_same_bytes_and_so_does_one_that_was_interrupted(world, monkeypatch):
    first = (world.train() / "model.safetensors").read_bytes()
    again = dataclasses.replace(world, output=world.output.with_name("again"))
    batch = CaptionedFeatures.batch

    def stop(self, indices, step, seed):
        if step == 3:
            raise KeyboardInterrupt
        return batch(self, indices, step, seed)

    with monkeypatch.context() as patch:
        patch.setattr(CaptionedFeatures, "batch", stop)
        with pytest.raises(KeyboardInterrupt):
            again.train()
    assert not (again.output / "final").exists()
    assert (again.train() / "model.safetensors").read_bytes() == first


def test_a_folder_of_another_run_is_refused(world):
    final = world.train()
    before = (final / "model.safetensors").read_bytes()
    with pytest.raises(RunError, match="options.objective.temperature was 0.05, is 0.1"):
        world.train(objective=ObjectiveOptions(temperature=0.1))
    assert (final / "model.safetensors").read_bytes() == before


def test_a_planted_test_sound_is_not_trained_on(world):
    shutil.copy(world.held_out, world.sounds / "horse.wav")
    world.train()
    assert json.loads((world.output / "options.json").read_text(encoding="utf-8"))["clips"]["count"] == 7


def unfiltered(folders, *_) -> list[Clip]:
    """As ``train_clips``, with a bug: it forgets the benchmark."""
    return corpora.collect(folders)


def test_a_planted_test_sound_that_slips_through_ends_the_run(world, monkeypatch):
    monkeypatch.setattr(corpora, "train_clips", unfiltered)
    shutil.copy(world.held_out, world.sounds / "horse.wav")
    with pytest.raises(ManifestError, match="simutrans/horse is the benchmark's sound ovos/dog"):
        world.train()
    assert not world.output.exists()


def test_a_planted_recording_in_another_file_that_slips_through_ends_the_run(world, monkeypatch):
    monkeypatch.setattr(corpora, "train_clips", unfiltered)
    quieter = 0.7 * audio.load(world.held_out).waveform
    audio.write_wav(world.sounds / "horse.wav", quieter)
    with pytest.raises(ManifestError, match="simutrans/horse is the benchmark's sound ovos/dog"):
        world.train()


def test_a_planted_german_caption_ends_the_run(world, monkeypatch):
    def planted(folders, *_) -> list[Clip]:
        return [
            dataclasses.replace(clip, captions={"de": ("ein Pferd",)}) if clip.clip_id == "simutrans/horse" else clip
            for clip in corpora.collect(folders)
        ]

    monkeypatch.setattr(corpora, "train_clips", planted)
    with pytest.raises(ManifestError, match=r"simutrans/horse.*\['de'\]"):
        world.train()
    assert not world.output.exists()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"trainable": "some"}, "trainable is .some.; wanted one of projection, last_n, all, lora"),
        ({"audio_backbone": "clap"}, "unknown audio backbone .clap.; wanted .*yamnet"),
        ({"packages": ()}, "packages and folders are empty"),
    ],
)
def test_options_that_no_run_can_have_are_refused(world, changes, complaint):
    with pytest.raises(RunError, match=complaint):
        dataclasses.replace(world.options, **changes)


@pytest.mark.parametrize(
    ("options", "values"),
    [
        (HeadOptions, {"damping": 1.5}),
        (HeadOptions, {"hidden": 0}),
        (HeadOptions, {"anchor_top": 0}),
        (ObjectiveOptions, {"temperature": 0.0}),
    ],
)
def test_numbers_out_of_range_are_refused(options, values):
    with pytest.raises(RunError, match="wanted"):
        options(**values)


def test_training_leaves_both_towers_and_the_anchor_as_they_were(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    towers = {"text": tiny_model.text, "audio": tiny_model.audio}
    before = {name: copy.deepcopy(tower.state_dict()) for name, tower in towers.items()}
    clips = []
    for seed, caption in enumerate(("dog", "cat", "rain", "bird")):
        path = noise(tmp_path / f"{caption}.wav", seed)
        clips.append(Clip(caption, path, file_hash(path), {"en": (caption,)}, caption, "-", "-"))
    viewed = features.compute(clips, tiny_model.audio, ViewOptions(views=1))
    captions = [clip.clip_id for clip in clips]
    embedded = text_statistics.embed(tiny_model.text, captions)
    data = CaptionedFeatures(clips, viewed, dict(zip(captions, embedded, strict=True)))
    head = AudioHead(tiny_model.config.audio, 24, 7, 32)
    head.load_state_dict(tiny_model.head.state_dict())
    untrained = copy.deepcopy(head.state_dict())
    options = LoopOptions(steps=3, batch_size=4, learning_rate=1e-2)
    loop.train(EmergentAlignment(head, ObjectiveOptions()), data, options, tmp_path / "run")
    for name, tower in towers.items():
        assert all(torch.equal(value, before[name][key]) for key, value in tower.state_dict().items()), name
    trained = head.state_dict()
    assert {key for key in trained if not torch.equal(trained[key], untrained[key])} == {
        key for key in trained if key.startswith("projection.")
    }


def test_class_profiles_are_made_of_what_the_tower_hears_and_change_nothing_else(world, tmp_path, noise):
    plain = checkpoint.load(world.train())
    profiled = dataclasses.replace(world, output=tmp_path / "profiled")
    model = checkpoint.load(profiled.train(profile=ProfileConfig(5, 0.3, 0.05, 0.01)))
    assert (model.dimension, plain.dimension) == (37, 32)
    card = (profiled.output / "final/README.md").read_text(encoding="utf-8")
    assert "class profiles of 5 coordinates, 30% of a score" in card
    with torch.inference_mode():
        placed = model.head(*next(iter(model.hear([noise])))).numpy()
    alone = model.encode_text(["dog"], "en", space="text") @ placed.T
    np.testing.assert_allclose(alone, plain.encode_text(["dog"], "en") @ plain.encode_audio([noise]).T, atol=1e-6)
    np.testing.assert_allclose(model.part(ClassProfile).class_embeddings, model.head.class_embeddings, atol=1e-3)


def test_centred_profiles_know_the_mean_of_where_the_trained_head_puts_the_clips(world, tmp_path):
    centred = dataclasses.replace(world, output=tmp_path / "centred")
    model = checkpoint.load(centred.train(profile=ProfileConfig(5, 0.3, 0.05, 0.01, centred=True)))
    waveforms = [audio.load(path).waveform for path in sorted(world.sounds.glob("*.wav"))]
    uncentred = model.variant("unprofiled").encode_audio(waveforms)[:, : model.config.space_width]
    mean = model.part(ClassProfile).sound_mean.numpy()
    assert np.linalg.norm(mean) > 0.1
    assert np.linalg.norm(uncentred.mean(0) - mean) < 0.5 * np.linalg.norm(mean)


def test_class_profiles_that_nothing_could_fill_are_refused(world):
    with pytest.raises(RunError, match=r"profile.size is 8; wanted at most 7, as there are \d+ sounds and 7 classes"):
        world.train(profile=ProfileConfig(8, 0.3, 0.05, 0.01))
    with pytest.raises(RunError, match="there is a profile, but head.anchor_weight is 0"):
        world.train(profile=ProfileConfig(4, 0.3, 0.05, 0.01), head=HeadOptions(hidden=16, anchor_weight=0.0))
