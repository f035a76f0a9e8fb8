"""uCLIP: what retrieval gives, that no pair reaches the training, what learns, and the model that a run leaves."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from cacara.benchmark.dataset import benchmark_file
from cacara.model import checkpoint, seen_texts, training_facts
from cacara.model.config import ProfileConfig, ProjectorsConfig, TextConfig
from cacara.model.parts.projectors import Projectors
from tests.training.sounds.test_alignment import world  # noqa: F401  (a fixture)
from training import loop
from training.data import translations
from training.data.translations import Translation
from training.loop import LoopOptions
from training.run_folder import RunError
from training.uclip import banks as uclip_banks
from training.uclip import base as uclip_base
from training.uclip import projectors
from training.uclip.banks import Bank, BankOptions, Sentences
from training.uclip.media import MediaOptions
from training.uclip.projectors import ObjectiveOptions, SoftRetrieval, Uclip, UclipOptions

PAIRS = [
    Translation("a cat", "de", "katze", "cldr"),
    Translation("a cat", "sv", "katze a", "cldr"),
    Translation("rain", "de", "rain a", "cldr"),
    Translation("a bird", "de", "bird katze", "tuxpaint"),
    Translation("bell", "sv", "bell katze", "cldr"),
    Translation("a dog", "de", "hund", "cldr"),
]


def unit(rows: int, columns: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def toy(items: int = 24, options: ObjectiveOptions | None = None) -> SoftRetrieval:
    texts = tuple(f"text {n}" for n in range(items))
    sentences = Sentences(texts, unit(items, 6, 1), unit(items, 8, 2), {"toy": items})
    return SoftRetrieval(sentences, Bank(unit(9, 6, 3), {}), Bank(unit(15, 8, 4), {}), options or ObjectiveOptions())


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))


def method(options: ObjectiveOptions | None = None) -> Uclip:
    torch.manual_seed(0)
    return Uclip(Projectors(ProjectorsConfig(8, 6), 10), options or ObjectiveOptions())


def test_retrieval_equals_a_slow_obvious_one_and_carries_no_gradient(monkeypatch):
    monkeypatch.setattr(projectors, "QUERIES_AT_ONCE", 3)
    queries, bank = torch.from_numpy(unit(7, 6, 0)).requires_grad_(), torch.from_numpy(unit(5, 6, 1))
    found = projectors.retrieve(queries, bank, 0.1)
    for query, mean in zip(queries.detach(), found, strict=True):
        weights = [float(torch.exp(query @ item / 0.1)) for item in bank]
        expected = sum(weight * item for weight, item in zip(weights, bank, strict=True))
        torch.testing.assert_close(mean, expected / expected.norm(), atol=1e-5, rtol=1e-5)
    assert not found.requires_grad


def test_at_a_low_temperature_the_nearest_item_is_retrieved():
    queries, bank = torch.from_numpy(unit(7, 6, 0)), torch.from_numpy(unit(5, 6, 1))
    nearest = bank[(queries @ bank.T).argmax(1)]
    torch.testing.assert_close(projectors.retrieve(queries, bank, 1e-4), nearest, atol=1e-3, rtol=0)


def test_the_training_sees_one_sentence_an_item_and_banks_in_any_order():
    """What a pair would be: an item of a bank that belongs to a sentence. Shuffling the banks would tear it apart."""
    rng = np.random.default_rng(0)
    texts = tuple(f"text {n}" for n in range(24))
    sentences = Sentences(texts, unit(24, 6, 1), unit(24, 8, 2), {})
    media, others = unit(9, 6, 3), unit(15, 8, 4)
    told = [
        SoftRetrieval(
            sentences, Bank(rng.permutation(media), {}), Bank(rng.permutation(others), {}), ObjectiveOptions()
        )
        for _ in range(3)
    ]
    batches = [data.batch(range(24), 5, 0) for data in told]
    for batch in batches[1:]:
        for name, values in batch.items():
            torch.testing.assert_close(values, batches[0][name], atol=1e-5, rtol=0)


def test_the_data_objects_hold_no_pair():
    assert {field.name for field in dataclasses.fields(Bank)} == {"embeddings", "origins"}
    assert {field.name for field in dataclasses.fields(Sentences)} == {"texts", "dual", "multilingual", "origins"}
    assert set(inspect.signature(SoftRetrieval).parameters) == {"items", "media", "texts", "options"}
    data = toy()
    assert set(vars(data)) == {"_noise", "_features"}
    assert set(data.batch([0], 0, 0)) == {"english", "dual", "others", "media"}


def test_the_bank_of_texts_draws_small_languages_too_and_a_smaller_bank_is_the_beginning_of_a_larger_one():
    pairs = [Translation(f"thing {n}", "cs", f"vec {n}", "cldr") for n in range(900)]
    pairs += [Translation(f"thing {n}", "eu", f"gauza {n}", "cldr") for n in range(100)]
    small, large = (uclip_banks.other_texts(pairs, BankOptions(texts=size)) for size in (100, 300))
    assert large[:100] == small == uclip_banks.other_texts(list(reversed(pairs)), BankOptions(texts=100))
    basque = sum(language == "eu" for _, language, _ in small)
    assert 15 <= basque <= 40  # 25 expected; 10 if every text were as likely
    assert uclip_banks.other_texts(pairs, BankOptions(texts=100, seed=1)) != small


def test_a_disjoint_bank_holds_no_translation_of_a_sentence(world, tiny_model):  # noqa: F811
    pairs = [Translation(f"thing {n}", "cs", f"vec {n}", "cldr") for n in range(200)]
    options = BankOptions(texts=1000, disjoint=True)
    found = uclip_banks.english_texts(pairs, [], benchmark_file.read(world.benchmark), options)
    items = uclip_banks.sentences(found, tiny_model, tiny_model.text, tiny_model.centring)
    numbers = {int(text.split()[1]) for text in items.texts}
    others = {int(text.split()[1]) for text, _, _ in uclip_banks.other_texts(pairs, options)}
    assert not numbers & others and len(numbers | others) == 200 and min(len(numbers), len(others)) > 50


def test_captions_that_name_a_benchmark_concept_are_no_sentences_under_strict(world):  # noqa: F811
    rows = benchmark_file.read(world.benchmark)
    captions = ["A dog barks", "Dogs", "a dog", "Rain falls", "a cat"]
    strict, studio = (
        uclip_banks.english_texts(PAIRS[:1], captions, rows, BankOptions(policy=policy))
        for policy in ("strict", "studio")
    )
    assert strict.chosen == ["a cat"] and list(strict.captions) == ["Rain falls"]
    assert list(studio.captions) == ["A dog barks", "Dogs", "Rain falls"]


def test_the_sentences_are_those_that_most_languages_have_a_word_for(world):  # noqa: F811
    rows = benchmark_file.read(world.benchmark)
    some = uclip_banks.english_texts(PAIRS, [], rows, BankOptions(sentences=2))
    assert some.chosen == ["a bird", "a cat"]  # two languages, then the first of those with one
    assert list(some.known) == ["a bird", "a cat", "a dog", "bell", "rain"]
    assert len(uclip_banks.english_texts(PAIRS, [], rows, BankOptions()).chosen) == 5


def test_the_noise_has_the_wanted_variance_is_new_each_step_and_off_at_zero():
    items = Sentences(tuple("x" * n for n in range(400)), unit(400, 384, 1), unit(400, 384, 2), {})
    banks = Bank(unit(5, 384, 3), {}), Bank(unit(5, 384, 4), {})
    noisy, still = (SoftRetrieval(items, *banks, ObjectiveOptions(noise_variance=v)) for v in (0.004, 0.0))
    first, again, other = (noisy.batch(range(400), step, 0)["english"] for step in (3, 3, 4))
    assert torch.equal(first, again) and not torch.allclose(first, other, atol=1e-2)
    cosine = float((first * torch.from_numpy(items.multilingual)).sum(1).mean())
    assert cosine == pytest.approx(1 / (1 + 384 * 0.004) ** 0.5, abs=0.02)
    torch.testing.assert_close(still.batch(range(400), 3, 0)["dual"], torch.from_numpy(items.dual))


def test_the_loss_is_that_of_the_paper():
    trained = method(ObjectiveOptions(temperature=0.3))
    batch = toy().batch(range(8), 0, 0)
    found = trained(batch)
    heads = trained.projectors
    english, others = heads.text(torch.cat([batch["english"], batch["others"]])).chunk(2)
    dual, media = heads.dual(torch.cat([batch["dual"], batch["media"]])).chunk(2)

    def clip(first, second):
        logits = first @ second.T / 0.3
        targets = torch.arange(8)
        return (functional.cross_entropy(logits, targets) + functional.cross_entropy(logits.T, targets)) / 2

    intra = 0.5 * ((others - english).norm(dim=1) + (dual - media).norm(dim=1)).mean()
    torch.testing.assert_close(found["loss"], clip(english, dual) + clip(others, media) + 0.1 * intra)
    torch.testing.assert_close(found["intra"], intra)


def test_the_intra_loss_alone_moves_both_heads():
    trained = method(ObjectiveOptions(text_weight=0, media_weight=0, intra_weight=1))
    trained(toy().batch(range(8), 0, 0))["loss"].backward()
    assert all(
        value.grad is not None and value.grad.abs().sum() > 0 for value in trained.parameters() if value.ndim > 1
    )


def test_the_loss_falls_on_sentences_learnt_by_heart(tmp_path):
    trained = method(ObjectiveOptions(temperature=0.1, noise_variance=0))
    loop.train(trained, toy(8), LoopOptions(60, 8, 0.01, 0.0, 0.0, checkpoint_every=100), tmp_path, decay="linear")
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["text"] < 0.2 * rows[0]["text"] and rows[-1]["media"] < rows[0]["media"]


def test_the_rate_falls_in_a_line():
    options = LoopOptions(steps=10, warmup_share=0.0)
    rates = [loop._rate(step, options, "linear") for step in range(1, 10)]
    assert np.allclose(np.diff(rates), -1 / 9) and rates[-1] > 0 == pytest.approx(loop._rate(10, options, "linear"))


# Runs.


@pytest.fixture
def lexicons(world, monkeypatch):  # noqa: F811
    """The lexicons are ``PAIRS``; nothing is fetched."""
    monkeypatch.setattr(translations, "ALL_SOURCES", ("cldr",))
    monkeypatch.setattr(translations, "collect", lambda folders: PAIRS)
    return world


def options_of(world, **changes) -> UclipOptions:  # noqa: F811
    made = UclipOptions(
        name="tiny-uclip",
        version="1",
        licence="CC0-1.0",
        licence_reason="CC0-1.0, as all of it is noise.",
        recipe="tiny.yaml",
        text=world.options.text,
        shared=20,
        banks=BankOptions(texts=4),
        media=MediaOptions(packages=("simutrans",), pictures=False, views=world.options.views),
        loop=LoopOptions(steps=6, batch_size=4, checkpoint_every=2),
    )
    return dataclasses.replace(made, **changes)


def run(world, output: Path, base: Path, **changes) -> Path:  # noqa: F811
    return projectors.train(options_of(world, **changes), base, output, world.benchmark, Path("unused"))


def test_a_run_leaves_a_model_that_loads_and_says_what_it_saw(lexicons, tmp_path, noise):
    base = lexicons.train()
    final = run(lexicons, tmp_path / "uclip", base)
    model = checkpoint.load(final, "cpu")
    assert (model.name, model.dimension, model.languages) == ("tiny-uclip", 20, ("de", "en"))
    texts, sounds = model.encode_text(["katze", "a cat"], ["de", "en"]), model.encode_audio([noise])
    assert np.allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5) and sounds.shape == (1, 20)
    card = (final / checkpoint.CARD).read_text(encoding="utf-8")
    assert "# tiny-uclip 1" in card and "An item" not in card and "4 texts in 2 other languages" in card
    facts = training_facts.of_card(card)  # of the base and of the heads: its sentences and the bank
    assert (facts.sounds, facts.unpaired_texts, facts.translations) == (8, 31 + 4, None) and facts.minutes is not None
    assert "| cldr | " in card and "seed 0" in card and "policy `strict`" in card
    saw = seen_texts.read(final)
    assert saw is not None and saw.benchmark == benchmark_file.read(lexicons.benchmark).hash
    assert "dog" not in " ".join(json.dumps(row) for row in [saw.to_json()])


def test_a_stopped_run_goes_on_to_the_same_bytes(lexicons, tmp_path, monkeypatch):
    base = lexicons.train()
    whole = run(lexicons, tmp_path / "whole", base)
    real = SoftRetrieval.batch

    def stop(self, indices, step, seed):
        if step == 5:
            raise KeyboardInterrupt
        return real(self, indices, step, seed)

    monkeypatch.setattr(SoftRetrieval, "batch", stop)
    with pytest.raises(KeyboardInterrupt):
        run(lexicons, tmp_path / "parts", base)
    monkeypatch.setattr(SoftRetrieval, "batch", real)
    parts = run(lexicons, tmp_path / "parts", base)
    assert (parts / checkpoint.WEIGHTS).read_bytes() == (whole / checkpoint.WEIGHTS).read_bytes()
    with pytest.raises(RunError, match="holds another run"):
        run(lexicons, tmp_path / "parts", base, centred=False)


def test_a_model_of_uclip_is_no_base(lexicons, tmp_path):
    final = run(lexicons, tmp_path / "uclip", lexicons.train())
    with pytest.raises(RunError, match="has a text side of other languages already"):
        run(lexicons, tmp_path / "again", final)


def test_a_model_with_class_profiles_is_no_base(lexicons, tmp_path):
    base = lexicons.train(profile=ProfileConfig(5, 0.3, 0.05, 0.01))
    with pytest.raises(RunError, match="has class profiles, which projectors would not keep"):
        run(lexicons, tmp_path / "uclip", base)


def test_unfit_options_are_refused(world):  # noqa: F811
    with pytest.raises(RunError, match="objective.temperature is 0; wanted more than 0"):
        ObjectiveOptions(temperature=0)
    with pytest.raises(RunError, match="objective.noise_variance is -1; wanted 0 or more"):
        ObjectiveOptions(noise_variance=-1)
    with pytest.raises(RunError, match="banks.texts is 0"):
        BankOptions(texts=0)
    with pytest.raises(RunError, match="banks.media_share is 2"):
        BankOptions(media_share=2)
    with pytest.raises(RunError, match="shared is 0"):
        options_of(world, shared=0)


# Other bases and backbones.


@pytest.fixture
def clip_folder(tmp_path, tiny_text_folder) -> Path:
    """A tiny CLIP with both sides, its own words and its processor's numbers, as ``transformers`` saves it."""
    from transformers import AutoTokenizer, CLIPConfig, CLIPModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    sizes["projection_dim"] = 24
    ends = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
    words = {**sizes, **ends, "vocab_size": 13, "max_position_embeddings": 20}
    config = CLIPConfig(
        text_config=words, vision_config={**sizes, "image_size": 224, "patch_size": 56}, projection_dim=24
    )
    CLIPModel(config).save_pretrained(tmp_path / "clip")
    AutoTokenizer.from_pretrained(tiny_text_folder).save_pretrained(tmp_path / "clip")
    described = {"image_processor_type": "CLIPImageProcessor", "image_mean": [0.5] * 3, "image_std": [0.3] * 3}
    (tmp_path / "clip" / "preprocessor_config.json").write_text(json.dumps(described), encoding="utf-8")
    return tmp_path / "clip"


def test_a_clip_of_transformers_is_a_base_with_its_own_pictures(lexicons, clip_folder, tmp_path, noise):
    heard = lexicons.train(text=TextConfig(str(clip_folder), "", 16))
    base = uclip_base.add_own_pictures(heard, tmp_path / "base")
    dual = checkpoint.load(base, "cpu")
    picture = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    with torch.inference_mode():
        own = functional.normalize(dual.image([picture])[0], dim=-1).numpy()
    np.testing.assert_allclose(dual.encode_image([picture]), own, atol=1e-5)
    final = run(lexicons, tmp_path / "uclip", base)
    model = checkpoint.load(final, "cpu")
    assert model.config.projectors == ProjectorsConfig(32, 24)
    assert model.config.text.backbone == str(lexicons.options.text.backbone)
    embedded = [model.encode_text(["katze"], "de"), model.encode_audio([noise]), model.encode_image([picture])]
    assert all(rows.shape == (1, 20) and np.isfinite(rows).all() for rows in embedded)


def test_a_bank_of_some_languages_holds_their_scripts_and_no_other_language():
    pairs = [Translation("a dog", code, f"word {code}", "cldr") for code in ("zh", "zh-Hant", "zu", "pt-PT", "cs")]
    kept = uclip_banks.other_texts(pairs, BankOptions(languages=("zh", "pt")))
    assert {code for _, code, _ in kept} == {"zh", "zh-Hant", "pt-PT"}


# Two processes.


def gradient(rank: int, processes: int) -> torch.Tensor:
    """Return the intra loss's gradient of the heads' last layers, as DDP gives it, from this process's share."""
    trained = method(ObjectiveOptions(text_weight=0, media_weight=0, intra_weight=1)).eval()
    wrapped = trained
    if processes > 1:
        torch.distributed.init_process_group("gloo", rank=rank, world_size=processes)
        wrapped = torch.nn.parallel.DistributedDataParallel(trained)
    size = 8 // processes
    batch = {name: value[rank * size : (rank + 1) * size] for name, value in toy().batch(range(8), 0, 0).items()}
    wrapped(batch)["loss"].backward()
    return torch.cat(
        [head.layers[3].weight.grad.flatten() for head in (trained.projectors.text, trained.projectors.dual)]
    )


def test_on_two_processes_the_intra_loss_keeps_its_gradient(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(
        map(str, (Path(__file__).parents[3], Path(__file__).parents[2] / "support"))
    )
    processes = [
        subprocess.Popen([sys.executable, __file__, str(rank), str(tmp_path / f"{rank}.pt")], env=environment)
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    expected = gradient(0, 1)
    assert expected.abs().sum() > 0.01
    for rank in (0, 1):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt", weights_only=True), expected)


if __name__ == "__main__":
    torch.save(gradient(int(sys.argv[1]), 2), sys.argv[2])
