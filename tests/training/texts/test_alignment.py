"""A trained text side: what changes, what stays bit by bit, what is drawn, and what the card says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from training.texts.alignment import TextAlignment, TextAlignmentOptions, Texts, TranslationBatches

from cacara.benchmark.dataset import benchmark_file
from cacara.encoders import text
from cacara.errors import ManifestError
from cacara.model import checkpoint, seen_texts
from cacara.model.parts import lora
from cacara.model.towers import TEXT_LORA, TowerUpdates
from training.data import translations
from training.data.translations import Translation
from training.loop import LoopOptions
from training.run_folder import RunError
from training.texts import alignment

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "sounds-v1.jsonl"
OPTIONS = TextAlignmentOptions(
    name="tiny-plus",
    version="1",
    recipe="recipe.yaml",
    policy="studio",
    rank=4,
    max_tokens=8,
    identity_share=0.25,
    loop=LoopOptions(steps=30, batch_size=8, learning_rate=0.02, checkpoint_every=10),
)
PAIRS = [
    Translation("a dog", "de", "hund", "cldr"),
    Translation("a cat", "de", "katze", "cldr"),
    Translation("a cat", "sv", "katze a", "cldr"),
]


def batches(pairs, english, tower):
    """Words alone."""
    return TranslationBatches(Texts(pairs, english, OPTIONS.max_tokens), Texts([], [], 1), english, tower, OPTIONS)


@pytest.fixture
def base(tiny_model, tmp_path, monkeypatch):
    """A model folder with a tiny audio backbone and a frozen tiny text tower."""
    from cacara.encoders import audio

    monkeypatch.setattr(audio, "load", lambda *arguments, **named: tiny_model.audio)
    folder = tmp_path / "base"
    card = "---\nlicense: apache-2.0\n---\n\n# tiny 1\n\nA card. `evaluate --model tiny`\n"
    checkpoint.save(folder, tiny_model.config, [tiny_model.head, tiny_model.centring], card)
    return folder


@pytest.fixture
def packages(monkeypatch):
    """The lexicons are ``PAIRS``, and nothing is fetched."""
    monkeypatch.setattr(alignment.sources, "fetch_all", lambda *arguments: {"cldr": Path("unused")})
    monkeypatch.setattr(translations, "collect", lambda folders: [*PAIRS, Translation("x: y", "de", "z", "cldr")])


def test_translations_come_to_where_the_frozen_tower_puts_their_english_and_english_stays(base, packages, tmp_path):
    final = alignment.train(OPTIONS, base, tmp_path / "run", BENCHMARK)
    before, after = checkpoint.load(base, "cpu"), checkpoint.load(final, "cpu")
    english = before.encode_text(["a dog", "a cat"], "en")
    cosines = [(english * model.encode_text(["hund", "katze"], "de")).sum(1) for model in (before, after)]
    assert (cosines[1] > cosines[0]).all() and (cosines[1] > 0.8).all()
    assert ((english * after.encode_text(["a dog", "a cat"], "en")).sum(1) > 0.8).all()
    rows = [json.loads(line)["loss"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 30 and rows[-1] < rows[0]


def test_sounds_stay_bit_by_bit_and_the_folder_says_what_it_is(base, packages, tmp_path):
    final = alignment.train(OPTIONS, base, tmp_path / "run", BENCHMARK)
    old, new = (load_file(folder / checkpoint.WEIGHTS) for folder in (base, final))
    assert all(torch.equal(new[name], value) for name, value in old.items() if not name.startswith("centring."))
    added = set(new) - set(old)
    assert added and all(name.startswith(TEXT_LORA) for name in added)
    english = old["centring.means"][1]
    assert torch.equal(new["centring.means"], english.expand(2, -1)) and torch.equal(
        new["centring.global_mean"], english
    )
    assert checkpoint.has_text_updates(final) and not checkpoint.has_text_updates(base)
    assert checkpoint.read_config(final).name == "tiny-plus"
    card = (final / checkpoint.CARD).read_text(encoding="utf-8")
    assert "# tiny-plus 1" in card and "policy `studio`" in card and "--model tiny-plus`" in card
    assert "on 3\ntranslations in 2 languages of 2 English texts" in card
    assert seen_texts.read(final) is not None


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(base, packages, tmp_path, monkeypatch):
    whole = alignment.train(OPTIONS, base, tmp_path / "whole", BENCHMARK)
    real = TranslationBatches.batch

    def stop(self, indices, step, seed):
        if step == 15:
            raise KeyboardInterrupt
        return real(self, indices, step, seed)

    monkeypatch.setattr(TranslationBatches, "batch", stop)
    with pytest.raises(KeyboardInterrupt):
        alignment.train(OPTIONS, base, tmp_path / "parts", BENCHMARK)
    monkeypatch.setattr(TranslationBatches, "batch", real)
    parts = alignment.train(OPTIONS, base, tmp_path / "parts", BENCHMARK)
    assert (parts / checkpoint.WEIGHTS).read_bytes() == (whole / checkpoint.WEIGHTS).read_bytes()


def test_a_text_side_is_not_trained_upon_a_trained_one(base, packages, tmp_path):
    final = alignment.train(OPTIONS, base, tmp_path / "run", BENCHMARK)
    with pytest.raises(RunError, match="is trained already"):
        alignment.train(OPTIONS, final, tmp_path / "again", BENCHMARK)


def test_only_the_updates_learn(tiny_model, tiny_text_folder):
    tower = text.load(tiny_model.config.text)
    attached = lora.attach(tower.encoder, 2, alignment._is_read)
    method = TextAlignment(tower, torch.eye(32)[:2], torch.zeros(32), OPTIONS)
    data = batches(PAIRS, ["a cat", "a dog"], tower)
    method(data.batch(range(8), 0, 0))["loss"].backward()
    learning = {name for name, value in method.named_parameters() if value.grad is not None}
    assert len(learning) == 2 * len(attached) and all(name.endswith((".down", ".up")) for name in learning)


def test_a_batch_holds_its_share_of_english_and_labels_that_fit(tiny_model):
    tower = text.load(tiny_model.config.text)
    english = ["a cat", "a dog"]
    data = batches(PAIRS, english, tower)
    batch = data.batch(range(8), 3, 0)
    said = [
        tower.tokenizer.decode(ids[mask.bool()], skip_special_tokens=True).removeprefix("query:").strip()
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]
    right = {pair.text: pair.english for pair in PAIRS} | {text: text for text in english}
    assert [right[text] for text in said] == [english[label] for label in batch["labels"]]
    assert sum(text in english for text in said) == 2
    again = data.batch(range(8), 3, 0)
    assert all(torch.equal(batch[name], again[name]) for name in batch)


def test_a_step_takes_words_or_sentences_and_captions_stay_where_they_are(tiny_model):
    tower = text.load(tiny_model.config.text)
    options = dataclasses.replace(OPTIONS, sentence_share=0.5, identity_share=0.5)
    longer = [Translation("a big dog runs", "de", "ein hund und eine katze", "tuxpaint")]
    words, sentences = ["a cat", "a dog"], ["a big dog runs", "rain on a roof"]
    english = sorted([*words, *sentences])
    data = TranslationBatches(Texts(PAIRS, words, 8), Texts(longer, sentences, 16), english, tower, options)
    taken = [{english[label] for label in data.batch(range(64), step, 0)["labels"]} for step in range(20)]
    assert {frozenset(labels) for labels in taken} == {frozenset(words), frozenset(sentences)}
    assert len(data) == 4


def test_a_run_with_sentences_sees_what_its_policy_allows(base, monkeypatch, tmp_path):
    captions = tmp_path / "audiocaps"
    captions.mkdir()
    (captions / "train_v2.csv").write_text("id,caption\n1,A dog barks\n2,Somebody reads a  letter\n", encoding="utf-8")
    seen = {}
    real = TranslationBatches.__init__

    def look(self, words, sentences, english, tower, options):
        seen.update(words=words, sentences=sentences, english=english)
        real(self, words, sentences, english, tower, options)

    sky = Translation("a bright blue sky", "de", "ein blauer himmel", "tuxpaint")
    monkeypatch.setattr(translations, "COMPOSABLE", 1)
    monkeypatch.setattr(TranslationBatches, "__init__", look)
    monkeypatch.setattr(
        alignment.sources, "fetch_all", lambda *arguments: {"cldr": tmp_path, translations.CAPTIONS: captions}
    )
    pens = [Translation("pen", "de", "stift", "cldr"), Translation("paper", "de", "papier", "cldr")]
    monkeypatch.setattr(translations, "collect", lambda folders: [*PAIRS, *pens, sky])
    options = dataclasses.replace(
        OPTIONS, policy="strict", sentence_share=0.5, sentence_tokens=16, sentences=5, composed=1, captions=2
    )
    final = alignment.train(options, base, tmp_path / "run", BENCHMARK)
    assert {pair.english for pair in seen["words"].pairs} == {"pen", "paper"}, "no dog, no cat"
    made, whole = sorted(seen["sentences"].pairs, key=lambda pair: pair.source)
    assert whole == sky and made.source == translations.COMPOSED
    assert made.english.split() == [{"stift": "pen", "papier": "paper"}[word] for word in made.text.split()]
    assert "Somebody reads a letter" in seen["english"] and "A dog barks" not in seen["english"]
    card = (final / checkpoint.CARD).read_text(encoding="utf-8")
    assert "and 1 of AudioCaps' English captions (MIT)" in card and "| composed |" in card


def test_no_language_drowns_the_others_and_common_words_come_first():
    many = [Translation(f"word {i}", "de", f"wort {i}", "cldr") for i in range(100)]
    few = [Translation("word 0", "sw", "neno", "cldr")]
    weights = alignment._weights([*many, *few])
    shares = weights / weights.sum()
    assert shares[100] == pytest.approx(1 / 11)  # the square roots of 1 and 100
    assert weights[0] == pytest.approx(2 * weights[1])  # "word 0" has two languages


def test_pairs_that_are_all_too_long_are_refused(tiny_model):
    tower = text.load(tiny_model.config.text)
    long = [Translation("a dog", "de", "hund " * 12, "cldr")]
    with pytest.raises(ManifestError, match="none of 1 pairs has at most 8 tokens"):
        batches(long, ["a dog"], tower)


@pytest.mark.parametrize(
    ("name", "value"), [("rank", 0), ("temperature", 0.0), ("identity_share", 1.0), ("composed", 1)]
)
def test_options_that_cannot_work_are_refused(name, value):
    with pytest.raises(RunError, match=name):
        dataclasses.replace(OPTIONS, **{name: value})


def test_updates_of_another_encoder_are_refused(base, packages, tmp_path):
    updates = {
        "encoder.layer.9.output.dense.down": np.zeros((2, 4)),
        "encoder.layer.9.output.dense.up": np.zeros((4, 2)),
    }
    tensors = {name: torch.from_numpy(value).float() for name, value in updates.items()}
    config = checkpoint.read_config(base)
    statement = benchmark_file.seen_of(benchmark_file.read(BENCHMARK), (), ())
    lora_updates = TowerUpdates(text_lora=tensors)
    checkpoint.save(
        tmp_path / "wrong", config, [], "# tiny 1\n", base=base, updates=lora_updates, seen=statement, storage="shared"
    )
    with pytest.raises(checkpoint.CheckpointError, match="does not fit"):
        checkpoint.load(tmp_path / "wrong", "cpu")
