from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from cacara.benchmark.dataset import benchmark_file, splits
from cacara.benchmark.dataset import rules as benchmark_rules
from cacara.benchmark.dataset.benchmark_file import ENTRY, UNSEEN, Rows, SoundRow, TextRow, file_hash
from cacara.errors import ManifestError
from cacara.media import audio
from cacara.sources.texts import text_hash
from training.data.benchmarks import dev as builder
from training.data.corpora import rules
from training.data.corpora.packages import PACKAGES
from training.data.lexicon.lexicon import LexiconRow

ROOT = Path(__file__).parents[4]
PACK = "sound/CC-Sounds"
LEXICON = [
    LexiconRow("axe", "de", "Axt", ("freedict", "panlexia"), None, 0),
    LexiconRow("axe", "de", "Beil", ("panlexia",), None, 0),  # one source alone
    LexiconRow("rain", "de", "Es regnet", ("tatoeba",), None, 0),
    LexiconRow("rain", "sw", "mvua", ("cldr", "wiktionary"), None, 0),
    LexiconRow("dog", "de", "Ein Regenmann", ("wiktionary",), None, 0),
]


def noise(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.5 * np.random.default_rng(seed).uniform(-1, 1, 4800)
    audio.write_wav(path, samples.astype(np.float32))
    return path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    write(folder / "concepts.tsv", "axe\teffect\tan axe\nrain\teffect\train\n")
    for pack in builder.PACKS:
        write(folder / f"{pack}.tsv", "axe_?\taxe\nrain*\train\n")
    head = "axe\taxe\tChopping wood.\t1FA93\t-\tcdda-soundpacks/axe_1\n"
    write(folder / "dev-2.tsv", f"{head}rain\train\tIt rains.\t-\taudio:rain\tcdda-soundpacks/rain_?\n")
    write(folder / "dev-2-phrases.tsv", "rain\tfrigate-names\taudio.json#rain_man\nrain\ttatoeba\t\\brains\\b\n")
    write(folder / "dev-2-own.tsv", "de\taxe\tJemand hackt Holz.\n")
    return folder


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Seven packs, one with sounds and its credits, and the sources of texts in German and Swahili."""
    monkeypatch.setattr(builder, "MIN_ENTRIES", 1)
    monkeypatch.setattr(builder, "MIN_UNSEEN", 1)
    folders = {key: tmp_path / key for key in (*builder.PACKS, *builder.TEXT_SOURCES, "simutrans")}
    for pack in builder.PACKS:
        (folders[pack] / PACKAGES[pack].root).mkdir(parents=True)
    rows = ["| File | Author | License | Link |"]
    for seed, stem in enumerate(("axe_1", "rain_1", "rain_2")):
        noise(folders["cdda-soundpacks"] / PACK / f"{stem}.wav", seed)
        rows.append(f"| {stem}.wav | Ann | CC0 | https://freesound.org/s/{seed}/ |")
    write(folders["cdda-soundpacks"] / PACK / "credits.md", "\n".join(rows))
    for pack, name in (("mod-sounds", "sources.md"), ("dynamic-surroundings", "CREDITS.md")):
        write(folders[pack] / name, "")
    write(folders["opensoundeffects"] / "Credits.txt", "")
    write(folders["mineclone2"] / "mods/ENTITIES/mobs_mc/LICENSE-media.md", "")
    annotations = {"annotations": {"annotations": {"\N{AXE}": {"tts": ["shoka"]}}}}
    write(folders["cldr"] / "package/annotations/sw/annotations.json", json.dumps(annotations))
    names = {"en": {"rain": "Rain", "rain_man": "Rain man"}, "de": {"rain": "Regen", "rain_man": "Ein Regenmann"}}
    names["sw"] = {"rain": "Mvua", "rain_man": "[rain man]"}
    for locale, texts in names.items():
        write(folders["frigate-names"] / f"web/public/locales/{locale}/audio.json", json.dumps(texts))
    write(folders["panlexia"] / "dict/D/deu.tsv", "id\tstyle\tword\nPWN:axe.n.01\t\tAxt\n")
    (folders["gatitos"] / "gatitos").mkdir(parents=True)
    sentences = folders["tatoeba"] / "data/tatoeba/v1"
    write(sentences / "tatoeba.swh-eng.eng", "It rains.\nI am hungry.\n")
    write(sentences / "tatoeba.swh-eng.swh", "Mvua inanyesha.\nNina njaa.\n")
    folders["tuxpaint"].mkdir()
    return folders


@pytest.fixture
def benchmark(tmp_path: Path, folders: dict[str, Path]) -> Path:
    """Another benchmark, whose one sound is a copy of rain_2."""
    path = noise(folders["simutrans"] / "usr/share/games/simutrans/pak/sound/wet.wav", 2)
    member = path.relative_to(folders["simutrans"]).as_posix()
    sound = SoundRow("test", "wet", "simutrans/wet", "simutrans", member, file_hash(path))
    text = TextRow("test", "wet", "en", "own", "own", text_hash("wet"), "wet")
    benchmark_file.write(Rows("sounds-v1", 1, {}, (sound,), (text,)), tmp_path / "sounds-v1.jsonl")
    return tmp_path / "sounds-v1.jsonl"


def test_sounds_are_the_chosen_clips_without_the_other_benchmarks(folders, benchmark, tables, tmp_path):
    rows = builder.build(folders, LEXICON, benchmark, tmp_path / "dev-2.jsonl", tables)
    assert {row.clip_id for row in rows.sounds} == {"cdda-soundpacks/axe_1", "cdda-soundpacks/rain_1"}
    assert benchmark_rules.find_problems(tmp_path / "dev-2.jsonl") == []


def test_texts_are_entries_and_what_no_other_source_holds(folders, benchmark, tables, tmp_path):
    rows = builder.build(folders, LEXICON, benchmark, tmp_path / "dev-2.jsonl", tables)
    texts = {
        (query.language, query.text, query.kind)
        for query in splits.load(tmp_path / "dev-2.jsonl", "dev", folders).queries
    }
    assert texts == {
        ("en", "axe", ENTRY),
        ("en", "Chopping wood.", UNSEEN),
        ("en", "rain", ENTRY),
        ("en", "It rains.", UNSEEN),
        ("de", "Axt", ENTRY),
        ("de", "Regen", ENTRY),
        ("de", "Ein Regenmann", ENTRY),  # chosen as a phrase, and yet the lexicon has it from elsewhere
        ("de", "Jemand hackt Holz.", UNSEEN),
        ("sw", "shoka", ENTRY),
        ("sw", "Mvua", ENTRY),
        ("sw", "Mvua inanyesha.", UNSEEN),
    }
    assert {row.text for row in rows.texts if row.source != "own"} == {None}  # nothing of others stands in the file


def test_a_concept_without_a_clip_of_its_own_stops_the_build(folders, benchmark, tables, tmp_path):
    (folders["cdda-soundpacks"] / PACK / "rain_1.wav").unlink()
    with pytest.raises(ManifestError, match="concept 'rain' has no clip"):
        builder.build(folders, LEXICON, benchmark, tmp_path / "dev-2.jsonl", tables)


def test_the_frozen_file_is_never_written_and_a_build_says_how_it_differs():
    with pytest.raises(ManifestError, match="is frozen"):
        builder.build_from_sources(splits.SOUNDS, splits.DEV_2, splits.DEV_2)
    frozen = benchmark_file.read(splits.DEV_2)
    first, _, *texts = frozen.texts
    other = {ENTRY: UNSEEN, UNSEEN: ENTRY}[str(first.kind)]
    built = dataclasses.replace(
        frozen, sounds=frozen.sounds[1:], texts=(dataclasses.replace(first, kind=other), *texts)
    )
    told = builder.difference(built, frozen)
    assert f"{len(frozen.sounds) - 1} of {len(frozen.sounds)} sounds as frozen, 0 changed, 0 new, 1 gone" in told
    assert f"{len(texts)} of {len(frozen.texts)} texts as frozen, 1 changed, 0 new, 1 gone" in told


def test_the_frozen_file_keeps_the_rules_and_shares_no_concept_with_the_test():
    path = ROOT / "benchmarks/dev-2.jsonl"
    assert benchmark_rules.find_problems(path) == []
    rows, v1 = benchmark_file.read(path), benchmark_file.read(path.with_name("sounds-v1.jsonl"))
    assert not {row.concept for row in rows.sounds} & {row.concept for row in v1.of_split("test").sounds}
    assert not {row.sha256 for row in rows.sounds} & {row.sha256 for row in v1.sounds}
    assert {row.source for row in rows.sounds} == set(builder.PACKS)
    chosen = {name for _, (name, *_) in rules.read_table(rules.TABLES / "dev-2.tsv", columns=6)}
    assert {row.concept for row in rows.sounds} == chosen
    kinds = [row.kind for row in rows.texts]
    assert 0.4 <= kinds.count(UNSEEN) / len(kinds) <= 0.6
    assert len({row.language for row in rows.texts}) > 60


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Ein Hund.", "ein hund"),
        ("  ¿Qué  PASA? ", "qué pasa"),
        ("كِتَـاب", "كتاب"),
        ("下雨了。", "下雨了"),
        ("Straße", "strasse"),
    ],
)
def test_texts_are_compared_without_case_points_and_pointing(text, folded):
    assert builder.fold(text) == folded
