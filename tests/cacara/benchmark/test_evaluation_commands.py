from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cacara import sources
from cacara.__main__ import main
from cacara.benchmark.dataset import splits
from cacara.benchmark.dataset.benchmark_file import file_hash
from cacara.benchmark.dataset.splits import Benchmark, Query
from cacara.benchmark.entries import Entry
from cacara.commands import evaluate
from cacara.encoders import audio as audio_towers
from cacara.encoders.image import ImageTower
from cacara.errors import QueryError
from cacara.galleries.manifest import Clip
from cacara.media import audio
from cacara.model import checkpoint
from cacara.model.config import ImageConfig
from cacara.model.model import Cacara
from cacara.model.parts.head import ImageHead
from cacara.model.towers import Towers

CONCEPTS = ("dog", "cat", "rain", "bell")
TEXTS = {"en": CONCEPTS, "de": ("hund", "katze", "a rain", "a bell")}
QUERIES = tuple(
    Query(concept, code, text) for code, texts in TEXTS.items() for concept, text in zip(CONCEPTS, texts, strict=True)
)


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    """Four sounds of four concepts in place of the frozen benchmark, and a cache of its own."""
    clips = []
    for number, concept in enumerate(CONCEPTS):
        path = tmp_path / f"{concept}.wav"
        noise = np.random.default_rng(number).normal(0, 0.1, 16_000) * np.sin(np.arange(16_000) / (number + 1))
        audio.write_wav(path, noise.astype(np.float32))
        clips.append(Clip(concept, path, file_hash(path), {}, concept, "tuxpaint", "GPL-2"))
    made = Benchmark("tiny", "0123456789ab", "dev", tuple(clips), QUERIES)
    monkeypatch.setattr(evaluate, "_benchmark", lambda split: made)
    monkeypatch.setattr(sources, "cache_folder", lambda: tmp_path / "cache")
    return made


@pytest.fixture
def folders(tiny_model, tmp_path, monkeypatch):
    """Two seeds of one tiny model."""
    monkeypatch.setattr(audio_towers, "load", lambda *_: copy.deepcopy(tiny_model.audio))
    made = []
    for seed in range(2):
        head = copy.deepcopy(tiny_model.head)
        torch.manual_seed(seed)
        with torch.no_grad():
            head.projection[1].weight.normal_()
        checkpoint.save(tmp_path / f"seed{seed}", tiny_model.config, [head, tiny_model.centring], "# card")
        made.append(str(tmp_path / f"seed{seed}"))
    return made


def test_a_comparison_writes_its_three_files_the_same_each_time(benchmark, folders, tmp_path, capsys):
    command = ["evaluate", "--split", "dev", "--compare", *folders, f"{folders[0]}:untrained", "--device", "cpu"]
    for name in ("one", "two"):
        assert main([*command, "--output", str(tmp_path / "out" / name), "--json", str(tmp_path / "copy.json")]) == 0
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / "out" / n).iterdir()} for n in ("one", "two"))
    assert sorted(one) == ["compare.html", "compare.json", "compare.md"]
    assert one == two and (tmp_path / "copy.json").read_bytes() == one["compare.json"]
    report = json.loads(one["compare.json"])
    assert [(model["name"], model["seeds"]) for model in report["models"]] == [("tiny", 2), ("tiny:untrained", 1)]
    assert len(set(report["models"][0]["fingerprints"])) == 2
    assert report["models"][0]["cost"]["trained_parameters"]["sounds"] > 0
    assert report["models"][1]["cost"]["query_latency"]["queries"] == 8  # measured once, kept for the second time
    assert [(test["first"], test["second"]) for test in report["tests"]] == [("tiny", "tiny:untrained")] * 4
    out = capsys.readouterr().out
    assert out.startswith("# tiny, tiny:untrained on tiny (0123456789ab), dev") and "compare.html" in out


def test_the_figures_are_those_of_the_models_themselves(benchmark, folders, tmp_path):
    main(["evaluate", "--split", "dev", "--compare", folders[0], "--output", str(tmp_path / "out"), "--device", "cpu"])
    found = json.loads((tmp_path / "out" / "compare.json").read_text())["models"][0]["directions"]["text_to_audio"]
    model = checkpoint.load(folders[0], "cpu")
    sounds = model.encode_audio([audio.load(clip.path, audio.GALLERY_LIMITS).waveform for clip in benchmark.clips])
    for code, texts in TEXTS.items():
        scores = model.encode_text(list(texts), code) @ sounds.T
        assert found[code]["recall_at_1"] == 100 * np.mean(scores.argmax(axis=1) == np.arange(4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--compare", "absent"], "no model 'absent'"),
        (["--compare", "cacara", "cacara"], "same model"),
        (["--compare", "cacara", "--output", "file.txt"], "cannot make the folder file.txt"),
        (["--compare", "cacara", "--output", "out", "--json", "no/x.json"], "cannot write no/x.json"),
    ],
)
def test_what_cannot_be_compared_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("")
    assert main(["evaluate", "--split", "dev", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error


class Colours(torch.nn.Module):
    """A network whose features are the mean colour."""

    def __init__(self):
        super().__init__()
        self.classifier = torch.nn.Linear(3, 7)

    def forward_features(self, pixels):
        return pixels

    def forward_head(self, hidden, pre_logits):
        return hidden.mean((2, 3))


@pytest.fixture
def seeing(tiny_model):
    """The tiny model with an image side."""
    config = ImageConfig("efficientnet-lite0", 8, 0.5, 0.5, 3, 1.0)
    torch.manual_seed(3)
    head = ImageHead(config, 3, 7, tiny_model.dimension)
    head.class_embeddings.copy_(torch.nn.functional.normalize(torch.randn(7, 32), dim=-1))
    return Cacara(
        dataclasses.replace(tiny_model.config, name="seeing", image=config),
        Towers(tiny_model.text, tiny_model.audio, ImageTower(Colours(), 3, 7)),
        [*tiny_model.parts, head],
        "seeing",
        tiny_model.device,
    )


def test_models_that_see_are_measured_on_pictures_too(benchmark, tiny_model, seeing, monkeypatch):
    clips = tuple(dataclasses.replace(clip, clip_id=f"picture/{clip.clip_id}") for clip in benchmark.clips)
    pictures = Benchmark("tiny-images", "ba9876543210", "dev", clips, QUERIES)
    pixels = [np.full((8, 8, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9))]
    monkeypatch.setattr(splits, "fetch", lambda *_: pictures)
    monkeypatch.setattr(splits, "pixels", lambda split: iter(pixels))
    entries = [Entry("a", "blind", Path(), None), Entry("b", "seeing", Path(), None)]
    entries.append(Entry("c", "seeing:untrained", Path(), "untrained"))
    models = [tiny_model, seeing, seeing.variant("untrained")]
    (blind, whole, untrained), used = evaluate._measure_all(entries, models, benchmark)
    assert used is pictures
    assert set(blind) == {"text_to_audio", "audio_to_text"}
    assert set(whole) == set(untrained) == {
        *blind, "text_to_image", "image_to_text", "audio_to_image", "image_to_audio"
    }  # fmt: skip
    sights = seeing.encode_image(pixels)
    scores = seeing.encode_text(list(CONCEPTS), "en") @ sights.T
    order = np.argsort(CONCEPTS)
    ranks = 1 + (scores > np.diag(scores)[:, None]).sum(1)
    assert whole["text_to_image"]["en"].ranks.tolist() == ranks[order].tolist()
    (heard,) = untrained["audio_to_image"].values()
    assert heard.queries == CONCEPTS and heard.candidates == 4


def test_dev_2_is_a_benchmark_of_its_own_without_splits(folders, monkeypatch, capsys):
    asked = []

    def required(path, split):
        asked.append((path.name, split))
        raise QueryError("enough")

    monkeypatch.setattr("cacara.benchmark.dataset.splits.required_sources", required)
    for chosen in (["--split", "dev"], ["--benchmark", "dev-2"]):
        assert main(["evaluate", *chosen, "--model", folders[0], "--device", "cpu"]) == 1
    assert asked == [("sounds-v1.jsonl", "dev"), ("dev-2.jsonl", "dev")]
    capsys.readouterr()
    assert main(["evaluate", "--benchmark", "dev-2", "--split", "dev", "--model", folders[0]]) == 1
    assert "dev-2 has sounds alone and no split" in capsys.readouterr().err
