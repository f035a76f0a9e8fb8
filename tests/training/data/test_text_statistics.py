from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cacara.errors import SourceError
from cacara.sources.texts import text_hash
from training.data import text_statistics
from training.data.text_statistics import cached_centres, cldr_names, embed, language_centres

WORDS = ("dog", "cat", "rain", "bird", "bell")


@pytest.fixture
def cldr(tmp_path) -> Path:
    """A fetched package with 120 names in most locales; German names none twice."""
    folder = tmp_path / "cldr"
    sizes = {
        "en": 120,
        "de": 120,
        "pt": 120,
        "pt-PT": 120,
        "de-CH": 120,
        "es-419": 120,
        "zh-Hant": 120,
        "yo": 99,
        "xx-bad-": 120,
    }
    for locale, size in sizes.items():
        rows = {chr(0x1F300 + n): {"default": ["x"], "tts": [f" {locale} {WORDS[n % 5]} {n} "]} for n in range(size)}
        write(folder, locale, {**rows, "…": {"default": ["no name of its own"]}})
    write(folder, "empty", None)
    return folder


def write(folder: Path, locale: str, rows: dict | None) -> None:
    path = folder / "package" / "annotations" / locale / "annotations.json"
    path.parent.mkdir(parents=True)
    content = {"identity": {}} if rows is None else {"identity": {}, "annotations": rows}
    path.write_text(json.dumps({"annotations": content}), encoding="utf-8")


def test_names_are_those_of_languages_with_enough_of_them_and_no_regional_variants(cldr):
    names = cldr_names(cldr)
    assert sorted(names) == ["de", "en", "pt", "pt-PT", "zh-Hant"]
    assert names["en"]["\U0001f300"] == "en dog 0"
    assert all(len(found) == 120 for found in names.values())


def test_a_folder_without_names_is_refused(tmp_path):
    with pytest.raises(SourceError, match="CLDR"):
        cldr_names(tmp_path)


def test_embeddings_come_back_in_the_order_of_the_texts(tiny_model, monkeypatch):
    monkeypatch.setattr(text_statistics, "BATCH", 2)
    texts = ["rain a bird a bell", "dog", "cat rain", "a", "dog"]
    embedded = embed(tiny_model.text, texts)
    assert embedded.shape == (5, 32) and embedded.dtype == np.float32
    np.testing.assert_allclose(embedded, tiny_model.encode_text(texts, "en", centre=False), atol=1e-5)
    assert embed(tiny_model.text, []).shape == (0, 32)


def test_a_centre_is_the_mean_of_the_languages_names(tiny_model, cldr):
    names = cldr_names(cldr)
    centring = language_centres(tiny_model.text, names, ())
    assert centring.languages == tuple(sorted(names))
    german = embed(tiny_model.text, list(names["de"].values())).mean(0)
    np.testing.assert_allclose(centring.means[centring.languages.index("de")].numpy(), german, atol=1e-5)
    np.testing.assert_allclose(centring.global_mean.numpy(), centring.means.mean(0).numpy(), atol=1e-6)


def test_long_lists_are_thinned_alike_in_every_language(tiny_model, monkeypatch):
    monkeypatch.setattr(text_statistics, "NAMES_A_LANGUAGE", 2)
    embedded: list[list[str]] = []
    monkeypatch.setattr(
        text_statistics, "embed", lambda tower, texts: embedded.append(list(texts)) or np.zeros((1, 32))
    )
    language_centres(tiny_model.text, {"de": dict(zip("cabd", "CABD", strict=True)), "en": {"a": "1", "b": "2"}}, ())
    assert embedded == [["A", "C"], ["1", "2"]]


def test_texts_of_the_benchmark_are_not_measured(tiny_model):
    names = {"en": {"1": "dog", "2": "cat"}, "de": {"1": "hund", "2": "katze"}}
    held_out = {text_hash("cat"), text_hash("hund")}
    centring = language_centres(tiny_model.text, names, held_out)
    np.testing.assert_allclose(centring.means.numpy(), embed(tiny_model.text, ["katze", "dog"]), atol=1e-6)


def test_centres_are_measured_once(tiny_model, cldr, tmp_path, monkeypatch):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    names = cldr_names(cldr)
    first = cached_centres(tiny_model.text, names, ())
    with monkeypatch.context() as patch:
        patch.setattr(text_statistics, "language_centres", lambda *_: pytest.fail("measured again"))
        second = cached_centres(tiny_model.text, names, ())
    assert second.languages == first.languages
    assert torch.equal(second.means, first.means) and torch.equal(second.global_mean, first.global_mean)
    others = cached_centres(tiny_model.text, names, {text_hash(names["de"]["\U0001f300"])})
    assert not torch.equal(others.means, first.means)
    assert len(list((tmp_path / "cache" / "training").iterdir())) == 2
