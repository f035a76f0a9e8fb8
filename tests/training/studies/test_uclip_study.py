"""uCLIP's ablations: what is trained, gone on with and measured, and the dictionary before a search."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from cacara.benchmark import benchmark_file
from cacara.benchmark.sound_benchmark import Benchmark, Query
from cacara.encoders import use as use_text
from cacara.model import checkpoint
from cacara.model.config import TextConfig
from cacara.search.manifest import Clip
from tests.training.sounds.test_alignment import world  # noqa: F401  (a fixture)
from tests.training.uclip.test_uclip import PAIRS, lexicons, options_of, own_cache  # noqa: F401  (fixtures)
from training.run_folder import RunError
from training.studies import uclip_study, uclip_tables
from training.uclip import projectors


def test_the_ablations_share_material_and_each_changes_one_thing(lexicons, tmp_path, monkeypatch):  # noqa: F811
    base = lexicons.train()
    names = ["uclip-no-noise", "uclip-not-centred"]
    options = options_of(lexicons)
    arguments = options, base, tmp_path / "all", lexicons.benchmark, Path("unused")
    uclip_study.ablate(*arguments, names)
    assert uclip_study.finished(options, tmp_path / "all") == {
        name: [tmp_path / "all" / name / "final"] for name in names
    }
    finals = [tmp_path / "all" / name / "final" for name in names]
    assert [checkpoint.read_config(final).name for final in finals] == names
    assert [checkpoint.read_config(final).centring for final in finals] == [True, False]
    whole = options_of(lexicons, name="uclip-no-noise")
    changed = uclip_study.changed(options, "uclip-no-noise")
    assert changed == dataclasses.replace(whole, objective=dataclasses.replace(whole.objective, noise_variance=0.0))
    for wrong, told in ((["uclip-no"], "unknown ablation 'uclip-no'; wanted one of uclip-whole"), ([], "seeds is 9")):
        with pytest.raises(RunError, match=told):
            uclip_study.ablate(*arguments, wrong, 9)
    real, trained = projectors.train_on, []
    monkeypatch.setattr(projectors, "train_on", lambda *given: trained.append(given[2].name) or real(*given))
    uclip_study.ablate(*arguments, names[:1], seeds=2)
    assert trained == ["uclip-no-noise-seed-1"]  # the first seed was there
    made = uclip_study.finished(options, tmp_path / "all")
    assert [final.parent.name for final in made["uclip-no-noise"]] == ["uclip-no-noise", "uclip-no-noise-seed-1"]
    assert uclip_study.finished(options_of(lexicons, shared=10), tmp_path / "all") == {}


def test_another_text_tower_is_trained_on_the_same_material(lexicons, tmp_path, tiny_text_folder, monkeypatch):  # noqa: F811
    second = {"": {"text": TextConfig(str(tiny_text_folder), "", 8)}, "banks": {"languages": ("sv",)}}
    monkeypatch.setattr(uclip_study, "ABLATIONS", {"whole": {}, "second": second})
    options = options_of(lexicons)
    uclip_study.ablate(options, lexicons.train(), tmp_path / "all", lexicons.benchmark, Path("unused"))
    whole, other = (tmp_path / "all" / name / "final" for name in ("whole", "second"))
    assert checkpoint.read_config(other).text.prefix == "" != checkpoint.read_config(whole).text.prefix
    assert "4 texts in 2 other languages" in (whole / checkpoint.CARD).read_text(encoding="utf-8")
    assert "2 texts in 1 other languages" in (other / checkpoint.CARD).read_text(encoding="utf-8")


def test_what_was_trained_is_measured_on_dev_in_one_table(lexicons, tmp_path, noise, monkeypatch):  # noqa: F811
    options, output = options_of(lexicons), tmp_path / "all"
    names = ["uclip-whole", "uclip-no-noise"]
    uclip_study.ablate(options, lexicons.train(), output, lexicons.benchmark, Path("unused"), names, seeds=2)
    concepts = {"a cat": "cat", "rain": "rain", "bell": "bell"}
    clips = tuple(Clip(name, Path(name), "0" * 64, {}, name, "tuxpaint", "GPL-2") for name in concepts.values())
    queries = [Query(name, "en", text) for text, name in concepts.items()]
    queries += [Query(name, "cs", f"{text} a") for text, name in concepts.items()]
    split = Benchmark("tiny", "0123456789ab", "dev", clips, tuple(queries))
    waves = (np.sin(np.arange(len(noise)) / (number + 1)) for number in range(3))
    heard = [(noise * wave).astype(np.float32) for wave in waves]
    monkeypatch.setattr(uclip_tables, "read_sounds", lambda path: (split, heard))
    told = uclip_study.tables(uclip_study.finished(options, output), output, lexicons.benchmark, Path("unused"))
    assert told == (output / "table.md").read_text(encoding="utf-8")
    (table,) = json.loads((output / "table.json").read_text(encoding="utf-8"))
    whole, quiet = table["rows"]
    assert (whole["name"], whole["seeds"], quiet["name"]) == ("uclip-whole", 2, "uclip-no-noise")
    model = checkpoint.load(output / "uclip-no-noise-seed-1" / "final", "cpu")
    first = checkpoint.load(output / "uclip-no-noise" / "final", "cpu")
    asked = list(concepts)
    scores = [seed.encode_text(asked, "en") @ seed.encode_audio(heard).T for seed in (first, model)]
    right = [found.argmax(1) == np.arange(3) for found in scores]
    assert quiet["text_to_audio"]["english"]["recall_at_1"] == pytest.approx(100 * np.mean(right), abs=1e-3)
    assert quiet["text_to_audio"]["five"] == quiet["text_to_audio"]["others"]  # Czech is the only one
    assert quiet["text_to_audio"]["ten"] is None and whole["text_to_audio"]["against_first"]["p"] == 1
    assert "text_to_image" not in quiet  # the base sees nothing
    assert told.splitlines()[2].startswith("| uclip-whole | 2 | ")


def test_a_dictionary_knows_whole_texts_in_their_language_alone():
    dictionary = uclip_study.Dictionary(PAIRS)
    assert dictionary.translate("Katze.", "de") == "a cat"
    assert dictionary.translate("Katze", "sv") is None and dictionary.translate("eine katze", "de") is None


def test_a_tower_of_few_languages_has_means_of_those_alone(lexicons, monkeypatch):  # noqa: F811
    names = {code: {str(n): f"{code} {n}" for n in range(3)} for code in ("en", "zh", "zh-Hant", "cs", "zu")}
    measured = []
    monkeypatch.setattr(projectors.text, "load", lambda config: "tower")
    monkeypatch.setattr(projectors.text_statistics, "cldr_names", lambda folder: names)
    monkeypatch.setattr(
        projectors.text_statistics, "cached_centres", lambda tower, kept, hashes: measured.append(set(kept))
    )
    rows = benchmark_file.read(lexicons.benchmark)
    for backbone in (use_text.NAME, "multilingual-e5-small"):
        projectors.multilingual(TextConfig(backbone, "", 512), rows)
    assert measured == [{"en", "zh", "zh-Hant"}, set(names)]
