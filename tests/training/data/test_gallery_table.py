from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from cacara.benchmark.dataset import benchmark_file
from cacara.benchmark.dataset.benchmark_file import Rows, SoundRow, TextRow, file_hash
from cacara.errors import SourceError
from cacara.galleries import default_gallery
from cacara.media import audio
from cacara.sources.texts import text_hash
from training.data import gallery_table
from training.data.corpora import rules
from training.data.corpora.debian_copyright import debian
from training.data.corpora.packages import PACKAGES

SOUNDS = "usr/share/games/simutrans/pak/sound"
COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2001-2003, Ana Ito <ana@example.org>
           2004, Bo
License: GPL-2+

Files: data/pak/sound/horse.wav
Copyright: (c) 2010 Chi
License: CC0-1.0
 Public domain.
"""


def noise(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, 16_000)
    audio.write_wav(path, samples.astype(np.float32))
    return path


@pytest.fixture
def package(tmp_path):
    """Simutrans with sounds of three names, two of them the same noise."""
    folder = tmp_path / "simutrans"
    for number, stem in enumerate(("arctic", "bus", "horse")):
        noise(folder / SOUNDS / f"{stem}.wav", number)
    noise(folder / SOUNDS / "diesel.wav", 1)  # the bus again
    noise(folder / SOUNDS / "tree-cutting.wav", 7)  # which the training's rules leave out
    (folder / "usr/share/doc/simutrans").mkdir(parents=True)
    (folder / "usr/share/doc/simutrans/copyright").write_text(COPYRIGHT, encoding="utf-8")
    return folder


def frozen(path: Path, key: str, folder: Path, sounds: dict[str, str]) -> Path:
    """A benchmark of the files of one package, each with its split."""
    rows = [
        SoundRow(split, name, f"{key}/{name}", key, f"{name}.wav", file_hash(folder / f"{name}.wav"))
        for name, split in sounds.items()
    ]
    texts = [TextRow(row.split, row.concept, "en", "own", "own", text_hash(row.concept), row.concept) for row in rows]
    benchmark_file.write(Rows("tiny", 1, {}, tuple(rows), tuple(texts)), path)
    return path


@pytest.fixture
def table(tmp_path, package, monkeypatch):
    """A function that builds a table beside a benchmark with two noises of its own, and returns its rows."""
    test = tmp_path / "ovos"
    own = dataclasses.replace(PACKAGES["simutrans"], reader=debian)
    monkeypatch.setattr(gallery_table, "GALLERY_PACKAGES", {"simutrans": own})
    folders = {"simutrans": package, "ovos": test, "tuxpaint": tmp_path}
    monkeypatch.setattr("cacara.sources.fetch_all", lambda keys, *rest: {key: folders[key] for key in keys})

    def build(seeds: dict[str, int], splits: dict[str, str], trained_on: tuple[str, ...] = ()):
        for name, seed in seeds.items():
            noise(test / f"{name}.wav", seed)
        benchmark = frozen(tmp_path / "tiny.jsonl", "ovos", test, splits)
        gallery_table.build(benchmark, trained_on, tmp_path / "table.tsv")
        monkeypatch.setattr(default_gallery, "TABLE", tmp_path / "table.tsv")
        return {Path(row.path).stem: row for row in default_gallery.rows.__wrapped__()}

    return build


def test_rows_say_what_sounds_whose_it_is_and_no_sound_stands_twice(table):
    rows = table({"cat": 20, "owl": 21}, {"cat": "test", "owl": "dev"})
    assert set(rows) == {"arctic", "bus", "horse"}, "a copy, and what the training leaves out, are not in the gallery"
    assert (rows["arctic"].caption, rows["arctic"].concept) == ("an arctic wind blowing", "wind")
    assert rows["horse"].caption == "a horse neighing", "the training's rules hold where the gallery has none"
    assert (rows["horse"].licence, rows["horse"].author) == ("CC0-1.0", "Chi")
    assert (rows["bus"].licence, rows["bus"].author) == ("GPL-2+", "Ana Ito, Bo")


def test_sounds_of_benchmarks_and_of_the_training_are_marked(table):
    rows = table({"cat": 0, "owl": 1}, {"cat": "test", "owl": "dev"}, trained_on=("simutrans",))
    assert "arctic" not in rows, "the test's sounds are in the gallery already"
    assert {name: row.split for name, row in rows.items()} == {"bus": "dev", "horse": "train"}
    assert table({"cat": 20, "owl": 21}, {"cat": "test", "owl": "dev"})["horse"].split == "unseen"


def test_a_package_without_a_readable_copyright_file_is_told(package):
    (package / "usr/share/doc/simutrans/copyright").write_text("It is free.", encoding="utf-8")
    with pytest.raises(SourceError, match="no machine-readable copyright file"):
        debian(package, ["horse.wav"])


def test_every_rule_of_the_gallery_is_of_a_package_and_has_a_caption():
    for path in sorted(gallery_table.RULES.glob("*.tsv")):
        assert path.stem in gallery_table.GALLERY_PACKAGES
        for where, (_, concept, caption) in rules.read_table(path, columns=3):
            assert caption or concept == rules.LEFT_OUT, where
