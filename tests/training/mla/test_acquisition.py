"""MLA's training: only what should learn learns, stages, resuming, what is written, and a language taught later."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cacara.benchmark.dataset.benchmark_file import ImageRow, Rows
from cacara.errors import LanguageError, ManifestError
from cacara.model import checkpoint, seen_texts
from cacara.model.config import AcquirerConfig
from cacara.model.parts import acquirer_files
from cacara.model.parts.acquirers import Acquirers
from training.__main__ import main
from training.data import translations
from training.data.translations import Translation
from training.loop import LoopOptions
from training.mla import acquisition, teaching, transfer
from training.mla import exposure as language_exposure
from training.mla.acquisition import LanguageAcquisition, LanguageAcquisitionOptions, StageOptions
from training.mla.data import JointBatches, LanguageBatches, SeenBatches, owner_of, transfer_batches
from training.mla.exposure import Exposure
from training.run_folder import RunError

ROOT = Path(__file__).parents[3]
BENCHMARK, IMAGES = (ROOT / "benchmarks" / f"{name}-v1.jsonl" for name in ("sounds", "images"))
LOOP = LoopOptions(steps=40, batch_size=8, learning_rate=0.02, checkpoint_every=10)
OPTIONS = LanguageAcquisitionOptions(
    name="tiny-mla",
    version="1",
    recipe="recipe.yaml",
    policy="studio",
    languages=("de", "sv"),
    stages=(StageOptions("nlt", LOOP), StageOptions("le", dataclasses.replace(LOOP, steps=5))),
    bottleneck=8,
    max_tokens=8,
)
PAIRS = [
    Translation("a dog", "de", "hund", "cldr"),
    Translation("a cat", "de", "katze", "cldr"),
    Translation("a bird", "sv", "bell bell", "cldr"),
    Translation("a cat", "sv-FI", "katze a", "cldr"),
    Translation("rain", "nl", "rain rain", "cldr"),
]


@pytest.fixture
def base(seeing_model, tmp_path, monkeypatch):
    """A model folder of tiny towers; the multilingual embedding is that of the tiny text encoder."""
    from cacara.encoders import audio

    monkeypatch.setattr(audio, "load", lambda *arguments, **named: seeing_model.audio)
    folder = tmp_path / "base"
    config = dataclasses.replace(seeing_model.config, image=None, name="base")
    checkpoint.save(folder, config, [seeing_model.head, seeing_model.centring], "---\n---\n\n# base 1\n\nA card.\n")
    return folder


@pytest.fixture
def options(tiny_text_folder):
    return dataclasses.replace(OPTIONS, embedding=str(tiny_text_folder))


@pytest.fixture
def packages(monkeypatch):
    """The lexicons are ``PAIRS``, what is heard and seen is two unit vectors, and nothing is fetched."""
    monkeypatch.setattr(transfer.sources, "fetch_all", lambda *arguments: {"cldr": Path("unused")})
    monkeypatch.setattr(translations, "collect", lambda folders: [*PAIRS, Translation("x: y", "de", "z", "cldr")])
    monkeypatch.setattr(acquisition, "_exposure", lambda *arguments: exposure())


def exposure():
    views = tuple(torch.eye(32)[place : place + 1].repeat(2, 1) for place in (3, 7))
    return Exposure(views, (0, 1), {"de": (("hund", 0), ("katze", 1)), "sv": (("bell bell", 1),)})


def method_of(model, options, languages=("de", "sv")):
    acquirers = Acquirers.prepare(model.text, AcquirerConfig(options.embedding, options.bottleneck or 1, 16))
    transfer.fit_embedding(acquirers)
    english = ["a bird", "a cat", "a dog"]
    targets = torch.from_numpy(transfer.english_targets(model.text, english))
    pairs = {
        code: [dataclasses.replace(pair, language=code) for pair in PAIRS if owner_of(pair.language, (code,))]
        for code in languages
    }
    data = transfer_batches(pairs, english, acquirers.tokenizer, 8)
    return acquirers, data, LanguageAcquisition(acquirers, languages, targets, torch.zeros(32), options)


def test_a_translation_comes_to_where_its_english_is_and_english_stays_bit_by_bit(base, options, packages, tmp_path):
    final = acquisition.train(options, base, tmp_path / "run", BENCHMARK, IMAGES)
    before, after = checkpoint.load(base, "cpu"), checkpoint.load(final, "cpu")
    english = before.encode_text(["a dog", "a cat"], "en")
    assert np.array_equal(after.encode_text(["a dog", "a cat"], "en"), english)
    rows = [json.loads(line) for line in (tmp_path / "run" / "1-nlt" / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 40 and rows[-2]["transfer"] < 0.3 * rows[0]["transfer"]
    assert len((tmp_path / "run" / "2-le" / "metrics.jsonl").read_text().splitlines()) == 5


def test_the_folder_holds_the_base_bit_by_bit_and_says_what_was_added(base, options, packages, tmp_path):
    final = acquisition.train(options, base, tmp_path / "run", BENCHMARK, IMAGES)
    old, new = (load_file(folder / checkpoint.WEIGHTS) for folder in (base, final))
    assert all(torch.equal(new[name], value) for name, value in old.items())
    files = [acquirer_files.read(path) for path in sorted((final / "acquirers").iterdir())]
    assert [(content.language, content.pairs) for content in files] == [("de", 2), ("sv", 2)]
    assert all(value.dtype == torch.float16 for content in files for value in content.tensors.values())
    card = (final / checkpoint.CARD).read_text(encoding="utf-8")
    assert "A card." not in card and "MLA, arXiv 2206.11091" in card
    assert "# tiny-mla 1" in card and "| German (`de`) | 2 | 2 |" in card and "nlt (40 × 8) → le (5 × 8)" in card
    told = re.search(r"no cosine with an English one by more than\s+(\S+)\)", card)
    assert told and 0 < float(told[1]) < 1e-3
    assert seen_texts.read(final) is not None


def test_a_run_that_was_stopped_in_a_stage_goes_on_to_the_same_bytes(base, options, packages, tmp_path, monkeypatch):
    whole = acquisition.train(options, base, tmp_path / "whole", BENCHMARK, IMAGES)
    for kind, at in ((LanguageBatches, 25), (SeenBatches, 3)):
        real = kind.batch

        def stop(self, indices, step, seed, real=real, at=at):
            if step == at:
                raise KeyboardInterrupt
            return real(self, indices, step, seed)

        monkeypatch.setattr(kind, "batch", stop)
        with pytest.raises(KeyboardInterrupt):
            acquisition.train(options, base, tmp_path / "parts", BENCHMARK, IMAGES)
        monkeypatch.setattr(kind, "batch", real)
    parts = acquisition.train(options, base, tmp_path / "parts", BENCHMARK, IMAGES)
    for name in ("model.safetensors", "acquirers/de.safetensors", "acquirers/sv.safetensors"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()


def test_only_w_e_and_the_acquirers_of_the_language_learn(base, options):
    model = checkpoint.load(base, "cpu")
    _, data, method = method_of(model, options)
    names = {name for name, _ in method.named_parameters()}
    assert names == {"projection.weight"} | {
        f"sets.{c}.{n}.{p}" for c in ("de", "sv") for n in "01" for p in ("down", "up")
    }
    method.projection.requires_grad_(True)
    method(data.batch(range(8), 1, 0))["loss"].backward()
    learning = {name for name, value in method.named_parameters() if value.grad is not None}
    assert learning == {name for name in names if not name.startswith("sets.de.")}
    assert all(value.grad is None for value in model.text.parameters())


def test_without_a_bottleneck_w_e_alone_learns(base, options):
    _, data, method = method_of(checkpoint.load(base, "cpu"), dataclasses.replace(options, bottleneck=0))
    assert [name for name, _ in method.named_parameters()] == ["projection.weight"]
    method.projection.requires_grad_(True)
    method(data.batch(range(4), 0, 0))["loss"].backward()


def test_w_e_begins_as_a_fit_of_the_words_that_both_tokenizers_have_whole(base, options):
    acquirers, _, _ = method_of(checkpoint.load(base, "cpu"), options)
    ends = torch.tensor(
        [[0, 2]]
    )  # the tiny tokenizer has no word marks: what is fitted is where a text begins and ends
    native = acquirers.tower.encoder.get_input_embeddings()(ends)
    assert torch.allclose(acquirers.embedding(ends), native, atol=0.02)


def test_the_languages_take_turns_and_a_batch_is_of_one(base, options):
    acquirers, data, _ = method_of(checkpoint.load(base, "cpu"), options)
    batches = [data.batch(range(4), step, 0) for step in range(4)]
    assert [set(batch["language"].tolist()) for batch in batches] == [{0}, {1}, {0}, {1}]
    said = {acquirers.tokenizer.decode(ids, skip_special_tokens=True) for ids in batches[1]["input_ids"]}
    assert said <= {"bell bell", "katze a"}
    again = data.batch(range(4), 2, 0)
    assert all(torch.equal(again[name], value) for name, value in batches[2].items())


def test_both_stages_at_once_have_both_losses(base, options):
    acquirers, data, method = method_of(checkpoint.load(base, "cpu"), options)
    seen = exposure()
    texts = LanguageBatches(acquirers.tokenizer, 8, "seen_")
    for code in ("de", "sv"):
        texts.add([text for text, _ in seen.texts[code]], [thing for _, thing in seen.texts[code]], [1.0] * 2)
    losses = method(JointBatches(data, SeenBatches(texts, seen.views, seen.concepts)).batch(range(8), 0, 0))
    found = {name: float(value.detach()) for name, value in losses.items()}
    assert set(found) == {"loss", "transfer", "exposure"}
    assert found["loss"] == pytest.approx(found["transfer"] + found["exposure"], rel=1e-5)


def test_texts_that_are_all_too_long_are_refused(base, options):
    acquirers, _, _ = method_of(checkpoint.load(base, "cpu"), options)
    long = {"de": [Translation("a dog", "de", "hund " * 12, "cldr")]}
    with pytest.raises(ManifestError, match="none of the 1 pairs of de has at most 8 tokens"):
        transfer_batches(long, ["a dog"], acquirers.tokenizer, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"languages": ("de", "en")}, "not English"),
        ({"languages": ()}, "wanted one or more"),
        ({"stages": ()}, "stages is empty"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"bottleneck": -1}, "bottleneck is -1"),
    ],
)
def test_options_that_cannot_work_are_refused(change, message):
    with pytest.raises(RunError, match=message):
        dataclasses.replace(OPTIONS, **change)


def test_a_language_without_pairs_and_a_model_with_acquirers_are_refused(base, options, packages, tmp_path):
    with pytest.raises(ManifestError, match="no pairs for tlh"):
        acquisition.train(
            dataclasses.replace(options, languages=("de", "tlh")), base, tmp_path / "run", BENCHMARK, IMAGES
        )
    final = acquisition.train(options, base, tmp_path / "run", BENCHMARK, IMAGES)
    with pytest.raises(RunError, match="is trained already"):
        acquisition.train(options, final, tmp_path / "again", BENCHMARK, IMAGES)


def test_descriptions_of_train_stamps_name_no_concept_of_the_sounds(monkeypatch, tmp_path):
    stamps = tmp_path / "stamps"
    stamps.mkdir()
    (stamps / "clean.txt").write_text("A red cube.\nde.utf8=Ein roter Würfel.\n", encoding="utf-8")
    (stamps / "leak.txt").write_text("A dog beside a cube.\nde.utf8=Hund und Würfel.\n", encoding="utf-8")
    rows = [
        ImageRow("train", name, name, "tuxpaint", f"{name}.png", "0", f"{name}.txt", "0") for name in ("clean", "leak")
    ]
    found = Rows("images", 1, {}, images=tuple(rows))
    read = language_exposure.benchmark_file.read
    monkeypatch.setattr(language_exposure.benchmark_file, "read", lambda path: found if path == IMAGES else read(path))
    monkeypatch.setattr(language_exposure.sources, "fetch", lambda key: stamps)
    described = language_exposure._descriptions(IMAGES, BENCHMARK)
    assert described["clean"]["de"] == ("Ein roter Würfel.",) and described["leak"] == {}


@pytest.fixture
def mla(base, options, packages, tmp_path):
    return acquisition.train(options, base, tmp_path / "run", BENCHMARK, IMAGES)


@pytest.fixture
def pairs(tmp_path):
    """Twenty-four pairs of words that the tiny vocabulary tells apart, and one bad line."""
    words = ["dog", "cat", "rain", "bird", "bell"]
    rows = [f"{first} {second}\t{second} {first} hund" for first in words for second in words]
    path = tmp_path / "pairs.tsv"
    path.write_text("\n".join([*rows, "no tab here"]), encoding="utf-8")
    return path


def test_a_language_is_taught_and_no_other_changes(mla, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(teaching, "BATCH", 8)
    heard = []
    taught = teaching.teach("fi", pairs, tmp_path / "out", mla, tell=lambda *row: heard.append(row))
    assert taught.acquirer == tmp_path / "out" / "fi.safetensors" and taught.pairs == 23
    assert taught.after["cosine"] > taught.before["cosine"] and taught.before["pairs"] == 2
    assert taught.warnings[0].startswith("line 26: 1 columns")
    fractions = [fraction for _, fraction, _ in heard]
    assert fractions == sorted(fractions) and {stage for stage, _, _ in heard} >= {"loading", "training", "measuring"}
    model = checkpoint.load(mla, "cpu")
    before = {code: model.encode_text(["hund", "bird bell"], code) for code in ("en", "de", "sv")}
    model.part(Acquirers).add_file(taught.acquirer)
    for code, embedded in before.items():
        assert np.array_equal(model.encode_text(["hund", "bird bell"], code), embedded)
    again = teaching.teach("fi", pairs, tmp_path / "again", mla)
    assert again.acquirer.read_bytes() == taught.acquirer.read_bytes()


def test_a_language_that_the_tokenizer_does_not_know_is_warned_about(mla, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("\n".join(f"dog {number}\tmbwa {number}" for number in range(30)), encoding="utf-8")
    acquirers = checkpoint.load(mla, "cpu").part(Acquirers)
    (warning,) = teaching.tokenizer_warnings("sw", ["mbwa hund", "mbwa"], acquirers)
    assert "67% of the pieces of sw" in warning
    assert teaching.tokenizer_warnings("de", ["hund katze"], acquirers) == []


def test_the_command_tells_its_progress_and_ends_with_the_result(mla, pairs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(teaching, "BATCH", 8)
    progress = tmp_path / "progress.jsonl"
    arguments = ["--add-language", "fi", "--pairs", str(pairs), "--model", str(mla), "--output", str(tmp_path / "out")]
    assert main(["language_acquisition", *arguments, "--progress", str(progress)]) == 0
    rows = [json.loads(line) for line in progress.read_text(encoding="utf-8").splitlines()]
    assert rows[-1]["stage"] == "done" and set(rows[-1]) >= {"acquirer", "before", "after", "warnings"}
    assert all(0 <= row["fraction"] <= 1 for row in rows)
    assert json.loads(capsys.readouterr().out)["acquirer"] == rows[-1]["acquirer"]


def test_a_cancelled_command_says_so_and_leaves_nothing(mla, pairs, tmp_path, monkeypatch):
    real = LanguageBatches.batch

    def cancelled(self, indices, step, seed):
        if step == 5:
            os.kill(os.getpid(), teaching.signal.SIGTERM)
        return real(self, indices, step, seed)

    monkeypatch.setattr(LanguageBatches, "batch", cancelled)
    progress = tmp_path / "progress.jsonl"
    arguments = ["--add-language", "fi", "--pairs", str(pairs), "--model", str(mla), "--output", str(tmp_path / "out")]
    assert main(["language_acquisition", *arguments, "--progress", str(progress)]) == 130
    assert json.loads(progress.read_text(encoding="utf-8").splitlines()[-1])["stage"] == "cancelled"
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_taught_is_refused(mla, base, pairs, tmp_path, capsys):
    with pytest.raises(LanguageError):
        teaching.teach("not a code", pairs, tmp_path, mla)
    with pytest.raises(RunError, match="'en-GB' is English"):
        teaching.teach("en-GB", pairs, tmp_path, mla)
    with pytest.raises(RunError, match="takes no language acquirers"):
        teaching.teach("fi", pairs, tmp_path, base)
    assert main(["language_acquisition", "--add-language", "fi", "--output", str(tmp_path)]) == 1
    assert "--pairs" in capsys.readouterr().err
    assert main(["language_acquisition", "--output", str(tmp_path)]) == 1
    assert "--recipe" in capsys.readouterr().err
