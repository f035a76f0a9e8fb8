from __future__ import annotations

import copy
import csv
import json
from pathlib import Path

import numpy as np
import pytest

from cacara import sources
from cacara.__main__ import main
from cacara.benchmark import audio_cache
from cacara.benchmark.esc50 import clips as esc50
from cacara.benchmark.esc50 import zero_shot
from cacara.encoders import audio as audio_towers
from cacara.errors import ManifestError, SourceError
from cacara.media import audio
from cacara.model import checkpoint
from cacara.search.classification import Labels
from training.data.lexicon.table import Sense, build

CLASSES = [f"class_{number:02d}" for number in range(50)]
CLIPS = [f"{fold}-{100 + number}-A-{number}" for number in range(50) for fold in range(1, 6)]


def write_csv(path: Path, header: list[str], rows: list[list[str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def class_of(clip_id: str) -> str:
    return CLASSES[int(clip_id.rpartition("-")[2])]


@pytest.fixture
def clone(tmp_path) -> Path:
    """The layout of the original repository; two sounds a class, the same in all folds."""
    folder = tmp_path / "ESC-50"
    rows = [[f"{clip_id}.wav", clip_id[0], class_of(clip_id)] for clip_id in CLIPS]
    write_csv(folder / "meta" / "esc50.csv", ["filename", "fold", "category"], rows)
    (folder / "audio").mkdir()
    for clip_id in CLIPS:
        noise = np.random.default_rng(int(clip_id.rpartition("-")[2])).normal(0, 0.1, 1600)
        audio.write_wav(folder / "audio" / f"{clip_id}.wav", noise.astype(np.float32))
    return folder


@pytest.fixture
def unpacked(tmp_path) -> Path:
    """The layout of the source, with files that nobody decodes; German lacks a class."""
    folder = tmp_path / "unpacked"
    rows = [[name, "en", name.replace("_", " ")] for name in CLASSES] + [[name, "de", "x"] for name in CLASSES[1:]]
    rows += [[name, "sw", f"{name} {form}"] for name in CLASSES for form in ("a", "b")]
    write_csv(folder / "esc50" / "labels.csv", ["label", "language", "name"], rows)
    for clip_id in CLIPS:
        path = folder / "esc50" / "audio" / class_of(clip_id) / f"{clip_id}.opus"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(clip_id.encode())
    return folder


def test_both_layouts_give_the_same_clips(clone, unpacked):
    first, second = esc50.load(clone), esc50.load(unpacked)
    assert [(clip.clip_id, clip.label, clip.fold) for clip in first.clips] == [
        (clip.clip_id, clip.label, clip.fold) for clip in second.clips
    ]
    assert first.classes == second.classes == tuple(CLASSES)
    assert np.bincount(first.folds).tolist() == [0, 50, 50, 50, 50, 50]
    assert [first.classes[target] for target in first.targets] == [clip.label for clip in first.clips]
    assert list(first.labels.names) == ["en"] and sorted(second.labels.names) == ["en", "sw"]  # German lacks a class
    assert second.labels.names["sw"]["class_07"] == ("class_07 a", "class_07 b")
    assert first.hash != second.hash


def test_a_changed_file_changes_the_hash(unpacked):
    benchmark = esc50.load(unpacked)
    before = benchmark.hash
    benchmark.clips[3].path.write_bytes(b"another")
    assert esc50.load(unpacked).hash != before


def test_a_folder_that_is_not_the_benchmark_is_refused(clone, tmp_path):
    with pytest.raises(ManifestError, match="neither esc50/labels.csv nor meta/esc50.csv"):
        esc50.load(tmp_path)
    for path in (clone / "audio").glob("*-0.wav"):
        path.unlink()
    with pytest.raises(ManifestError, match="245 clips of 49 classes in 5 folds; wanted 50 classes"):
        esc50.load(clone)


def test_only_the_benchmark_may_fetch_it():
    with pytest.raises(SourceError, match="esc50 .*CC-BY-NC.* for measuring alone"):
        sources.fetch("esc50")


@pytest.mark.parametrize(
    ("name", "expected"), [("1-100032-A-0.wav", True), ("6-1-A-0.wav", False), ("1-dog.wav", False)]
)
def test_a_clip_is_known_by_its_name(name, expected):
    assert esc50.is_clip(Path("anywhere") / name) is expected


class Encoder:
    """Each class is an axis; the names of a language point to it, turned by as many axes as the table says."""

    def __init__(self, turned: dict[str, int], classes: int) -> None:
        self.turned, self.classes = turned, classes

    def encode_text(self, texts, languages=None):
        return np.eye(self.classes, dtype=np.float32)[
            [(int(text.split("_")[1]) + self.turned[languages]) % self.classes for text in texts]
        ]


def folded(classes: int = 4, folds: int = 3, a_class_a_fold: int = 4) -> zero_shot.FoldedClips:
    targets = np.repeat(np.arange(classes), folds * a_class_a_fold)
    return zero_shot.FoldedClips(
        np.eye(classes, dtype=np.float32)[targets],
        targets,
        np.tile(np.arange(folds), classes * a_class_a_fold),
        tuple(f"class_{number}" for number in range(classes)),
    )


def names_of(clips: zero_shot.FoldedClips, *codes: str) -> Labels:
    return Labels({code: {label: (label,) for label in clips.classes} for code in codes})


def test_names_that_point_to_their_sounds_find_all_and_turned_ones_none():
    clips = folded()
    found = zero_shot.measure(Encoder({"en": 0, "de": 1, "sw": 0}, 4), clips, names_of(clips, "en", "de", "sw"))
    english, german = found["languages"]["en"], found["languages"]["de"]
    assert english["zero_shot"]["top_1"] == english["text_to_audio"]["map_at_10"] == 100.0
    assert english["zero_shot"]["ci95_top_1"] == [100.0, 100.0]
    assert german["zero_shot"]["top_1"] == german["audio_to_text"]["recall_at_1"] == 0.0
    assert german["zero_shot"]["top_5"] == 100.0  # of four classes
    assert german["text_to_audio"]["recall_at_10"] == 0.0  # twelve wrong clips stand first
    assert german["audio_to_text"]["mean_reciprocal_rank"] == pytest.approx(25.0)
    assert found["summary"]["english"]["languages"] == 1 and found["summary"]["mean_other"]["languages"] == 2
    assert found["summary"]["mean_other"]["zero_shot"]["top_1"] == 50.0
    assert found["summary"]["mean_lexicon"] is None
    # Of a clip's twelve candidates two languages name it rightly, and German names another class so.
    assert found["all_languages"]["recall_at_1"] == 0.0 and found["all_languages"]["recall_at_5"] == 100.0
    assert found["chance"]["zero_shot.top_1"] == 25.0


def test_the_interval_knows_the_folds():
    clips = folded()
    wrong = clips.folds == 0
    clips.embeddings[wrong] = np.roll(clips.embeddings[wrong], 1, axis=1)
    found = zero_shot.measure(Encoder({"en": 0}, 4), clips, names_of(clips, "en"))["languages"]["en"]["zero_shot"]
    assert found["top_1"] == pytest.approx(200 / 3, abs=1e-3) and found["ci95_top_1"] == [0.0, 100.0]


def test_names_from_a_lexicon_are_marked_and_give_way_to_written_ones():
    clips = folded()
    encoder = Encoder({"en": 0, "sw": 0, "yo": 1}, 4)
    found = zero_shot.measure(encoder, clips, names_of(clips, "en", "sw"), names_of(clips, "sw", "yo"))
    assert {code: row["names"] for code, row in found["languages"].items()} == {
        "en": "written",
        "sw": "written",
        "yo": "lexicon",
    }
    assert found["summary"]["mean_lexicon"]["languages"] == 1
    with pytest.raises(ValueError, match="de names 3 classes"):
        zero_shot.measure(encoder, clips, Labels({"de": {label: (label,) for label in clips.classes[1:]}}))


def test_classes_that_a_lexicon_names_are_counted_by_language_where_sources_agree():
    table = build(
        [
            Sense("class 00", "sw", "moja", 3, True),
            Sense("first", "sw", "mbili", 5, True),  # another English name of the same class
            Sense("class 01", "sw", "tatu", 1, True),  # one source alone
            Sense("class 01", "yo", "meji", 3, True),
        ],
        least=1,
    )
    labels = Labels({"en": {"class_00": ("first",), "class_01": ("class 01",)}})
    assert esc50.named_by_lexicon(labels, ["class_00", "class_01"], table) == {"sw": 1, "yo": 1}


@pytest.fixture
def model(tiny_model, tmp_path, monkeypatch) -> str:
    monkeypatch.setattr(audio_towers, "load", lambda *_: copy.deepcopy(tiny_model.audio))
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    checkpoint.save(tmp_path / "model", tiny_model.config, tiny_model.parts, "# card")
    return str(tmp_path / "model")


def test_the_command_reports_and_hears_the_clips_once(clone, model, tmp_path, capsys, monkeypatch):
    heard = []
    load = audio.load
    monkeypatch.setattr(audio, "load", lambda path, limits: heard.append(path) or load(path, limits))
    names = write_csv(
        tmp_path / "names.csv", ["label", "language", "name"], [[label, "sw", f"dog {label}"] for label in CLASSES]
    )
    command = ["evaluate", "--benchmark", "esc50", "--folder", str(clone), "--model", model, "--device", "cpu"]
    for name in ("one", "two"):
        assert main([*command, "--names", str(names), "--json", str(tmp_path / f"{name}.json")]) == 0
    assert len(heard) == len(CLIPS)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    report = json.loads((tmp_path / "one.json").read_text())
    assert report["benchmark"]["clips"] == 250 and report["benchmark"]["classes"] == 50
    (found,) = report["models"]
    assert found["name"] == "tiny" and found["languages"]["sw"]["names"] == "lexicon"
    assert found["languages"]["en"]["audio_to_text"]["recall_at_1"] == found["languages"]["en"]["zero_shot"]["top_1"]
    out = capsys.readouterr().out
    assert "| tiny |" in out and "| sw * |" in out and "| GLAP | ru | 62.1 |" in out and "CC BY-NC" in out
    assert "no language names all 50 classes" in out


def test_options_of_the_other_benchmark_are_refused(model, capsys):
    assert main(["evaluate", "--benchmark", "esc50", "--split", "dev", "--model", model]) == 1
    assert "ESC-50 has sounds alone and no split" in capsys.readouterr().err
    assert main(["evaluate", "--model", model]) == 1
    assert "no --split is given; wanted dev" in capsys.readouterr().err


def test_what_a_tower_heard_is_kept_for_that_tower_and_those_sounds(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path))
    waveforms = [np.random.default_rng(seed).normal(0, 0.1, 16_000).astype(np.float32) for seed in range(20)]
    heard = []

    def read(position: int) -> np.ndarray:
        heard.append(position)
        return waveforms[position]

    first = audio_cache.embed(tiny_model, "some", 20, read)
    assert np.allclose(first, tiny_model.encode_audio(waveforms), atol=1e-6) and heard == list(range(20))
    assert np.array_equal(audio_cache.embed(tiny_model, "some", 20, read), first) and len(heard) == 20
    audio_cache.embed(tiny_model, "others", 20, read)
    assert len(heard) == 40
    for path in (tmp_path / "embeddings").iterdir():
        path.write_bytes(b"damaged")
    assert np.array_equal(audio_cache.embed(tiny_model, "some", 20, read), first) and len(heard) == 60
