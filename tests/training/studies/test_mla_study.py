"""The studies of MLA: every way reads, what is measured is kept, and figures are what the ranks say."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cacara.benchmark.sound_benchmark import Benchmark, Query
from cacara.model import checkpoint
from cacara.model.config import AcquirerConfig
from cacara.model.parts.acquirers import Acquirers
from cacara.search.manifest import Clip
from training.__main__ import main
from training.data.features import Features
from training.data.translations import Translation
from training.loop import LoopOptions
from training.mla import acquisition as language_acquisition
from training.mla import exposure as language_exposure
from training.mla import teaching, transfer
from training.mla.acquisition import LanguageAcquisitionOptions, StageOptions
from training.mla.exposure import CaptionedItems, Exposure
from training.run_folder import RunError
from training.studies import mla_amounts, mla_dictionary, mla_probe, mla_study, mla_tuning, mla_ways
from training.studies.mla_amounts import AmountOptions, Cell
from training.studies.mla_probe import Side
from training.studies.uclip_study import Dictionary

ROOT = Path(__file__).parents[3]
BENCHMARK, IMAGES = (ROOT / "benchmarks" / f"{name}-v1.jsonl" for name in ("sounds", "images"))
LOOP = LoopOptions(steps=6, batch_size=4, learning_rate=0.02, checkpoint_every=100)
PAIRS = {
    "de": (Translation("a dog", "de", "hund", "cldr"), Translation("a cat", "de", "katze", "cldr")),
    "sv": (Translation("a bird", "sv", "bell bell", "cldr"), Translation("a cat", "sv", "katze a", "cldr")),
}


def exposure() -> Exposure:
    views = tuple(torch.eye(32)[place : place + 1].repeat(2, 1) for place in (3, 7))
    return Exposure(views, (0, 1), {"de": (("hund", 0), ("katze", 1)), "sv": (("bell bell", 1),)})


def things(model) -> CaptionedItems:
    rng = np.random.default_rng(0)
    shapes = (2, 3, model.audio.features), (2, 3, model.audio.classes)
    features, probabilities = (rng.random(shape).astype(np.float32) for shape in shapes)
    return CaptionedItems(
        Features(features, probabilities, (0, 1)),
        None,
        (0, 1),
        {"en": (("dog", 0), ("cat", 1)), "de": (("hund", 0), ("katze", 1)), "sv": (("bell bell", 1),)},
        (),
    )


def side(languages) -> Side:
    clips = tuple(Clip(name, Path(name), "0" * 64, {}, name, "own", "CC0-1.0") for name in ("dog", "cat", "bird"))
    said = {"dog": "hund", "cat": "katze", "bird": "bell bell"}
    queries = tuple(Query(concept, code, text) for code in sorted(languages) for concept, text in said.items())
    return Side(Benchmark("tiny", "0", "dev", clips, queries), np.eye(32, dtype=np.float32)[:3])


@pytest.fixture
def base(seeing_model, tmp_path, monkeypatch):
    from cacara.encoders import audio

    monkeypatch.setattr(audio, "load", lambda *arguments, **named: seeing_model.audio)
    folder = tmp_path / "base"
    config = dataclasses.replace(seeing_model.config, image=None, name="base")
    checkpoint.save(folder, config, [seeing_model.head, seeing_model.centring], "---\n---\n\n# base 1\n\nA card.\n")
    return folder


@pytest.fixture
def options(tiny_text_folder):
    return LanguageAcquisitionOptions(
        name="tiny-study",
        version="1",
        recipe="recipe.yaml",
        policy="studio",
        languages=("de", "sv"),
        stages=(StageOptions("nlt", LOOP), StageOptions("le", dataclasses.replace(LOOP, steps=3))),
        embedding=str(tiny_text_folder),
        bottleneck=8,
        max_tokens=8,
        softmax_weight=0.2,
    )


@pytest.fixture
def material(monkeypatch):
    """Lexicons, what is heard and seen, dev and dictionary are toys; nothing is fetched."""

    def things_of(model, packages, pairs, languages, *benchmarks):
        assert set(languages) == {"en", "de", "sv"}  # of English alone there would be nothing to translate
        return things(model)

    def pairs_of(options, model, benchmark):
        return {code: PAIRS.get(code, PAIRS["sv"]) for code in options.languages}

    monkeypatch.setattr(transfer, "pairs_of", pairs_of)
    monkeypatch.setattr(language_exposure, "gather", lambda *arguments: exposure())
    monkeypatch.setattr(language_exposure, "things", things_of)
    monkeypatch.setattr(mla_probe, "dev_sides", lambda model, languages, *paths: {"sounds": side(languages)})
    entries = [Translation("dog", "de", "Hund", "freedict-eng-deu")]
    monkeypatch.setattr(mla_dictionary, "dictionary_pairs", lambda languages: entries)


def test_every_variant_is_made_asked_and_kept_and_a_second_run_does_none_again(
    base, options, material, tmp_path, monkeypatch
):
    report = mla_study.run(options, base, tmp_path / "out", BENCHMARK, IMAGES)
    text = report.read_text(encoding="utf-8")
    assert all(variant.said in text for variant in mla_study.VARIANTS.values()) and "text → sound |" in text
    found = {name: json.loads((tmp_path / "out" / f"{name}.json").read_text()) for name in mla_study.VARIANTS}
    assert found["base"]["parameters"] == found["dictionary"]["parameters"] == 0
    embedding, acquirers = 32 * 32, 2 * 2 * 2 * 8 * 32  # two languages of two layers, up and down
    assert found["nlt"]["parameters"] == found["nlt-le"]["parameters"] == embedding + acquirers
    assert found["no-acquirers"]["parameters"] == embedding
    assert found["trained-table"]["parameters"] > found["nlt"]["parameters"]
    assert found["mkd-head"]["parameters"] == 32 * 32 + 32 < found["mkd-whole"]["parameters"]
    assert found["nlt-le"]["seconds"] >= found["nlt"]["seconds"]  # what it took over is counted
    assert found["le"]["material"] == "3 texts with sounds or pictures" and found["nlt"]["material"] == "4 pairs"
    assert found["nlt"]["rows"] != found["base"]["rows"]
    head = sum(value.numel() for value in checkpoint.load(base, "cpu").head.parameters())
    assert found["tuned-en"]["parameters"] == found["tuned-all"]["parameters"] == found["nlt"]["parameters"] + head
    assert found["tuned-en"]["material"] == "4 pairs, 2 texts with sounds or pictures"
    assert found["tuned-all"]["material"] == "4 pairs, 5 texts with sounds or pictures"

    monkeypatch.setattr(mla_ways.loop, "train", None)
    monkeypatch.setattr(mla_probe, "ask", None)
    assert mla_study.run(options, base, tmp_path / "out", BENCHMARK, IMAGES).read_text(encoding="utf-8") == text


def test_with_english_alone_heads_learn_and_acquirers_do_not(base, options, material, tmp_path):
    world = mla_ways.StudyMaterial(options, base, BENCHMARK, IMAGES)
    before = {name: value.clone() for name, value in world.model.head.state_dict().items()}
    states = {}
    for everything in (False, True):
        trained = mla_ways.train_acquirers(world, tmp_path, "plain", ("nlt",), {}, False)
        states["nlt"] = {name: value.clone() for name, value in trained.method.state_dict().items()}
        texts = things(world.model).texts
        languages = ("en", *(options.languages if everything else ()))
        made = mla_tuning.batches(world, trained, things(world.model), languages)
        assert [len(turn.texts) for turn in made.turns] == [len(texts[code]) for code in languages]
        sets = trained.method.sets if everything else torch.nn.ModuleDict()
        method = mla_tuning.Tuning(world.model, made.turns, sets, world.centre, 0.05)
        for step in range(len(made.turns)):
            method(made.batches.batch(range(2), step, 0))["loss"].backward()
        assert all(value.grad is not None for value in method.heads.parameters())
        learnt = {
            name
            for name, value in trained.method.sets.named_parameters()
            if value.grad is not None and value.grad.any()
        }
        assert bool(learnt) == everything
    after = mla_tuning.with_heads(world.model, method)
    assert after.head is not world.model.head
    assert all(torch.equal(before[name], value) for name, value in world.model.head.state_dict().items())


def test_a_folder_of_another_study_and_unknown_variants_are_refused(base, options, material, tmp_path):
    mla_study.run(options, base, tmp_path / "out", BENCHMARK, IMAGES, ["base"])
    other = dataclasses.replace(options, temperature=0.5)
    with pytest.raises(RunError, match="with other options"):
        mla_study.run(other, base, tmp_path / "out", BENCHMARK, IMAGES, ["base"])
    with pytest.raises(RunError, match="unknown variant 'nonsense'"):
        mla_study.run(options, base, tmp_path / "out", BENCHMARK, IMAGES, ["nonsense"])
    with pytest.raises(RunError, match="1 stages; wanted two"):
        mla_study.run(
            dataclasses.replace(options, stages=options.stages[:1]), base, tmp_path / "out", BENCHMARK, IMAGES
        )


def test_the_table_that_learns_begins_as_the_frozen_one_and_changes_its_own_rows_alone(base, options):
    acquirers = Acquirers.prepare(checkpoint.load(base, "cpu").text, AcquirerConfig(options.embedding, 8, 16))
    learning = mla_ways.TrainedTable(acquirers.embedding, [5, 7])
    pieces = torch.tensor([[5, 6, 7]])
    before = acquirers.embedding(pieces)
    assert torch.equal(learning(pieces), before)
    learning(pieces).sum().backward()
    assert learning.rows.grad is not None and learning.rows.shape == (2, 32)
    learning.rows.data += 1
    after = learning(pieces)
    assert torch.equal(after[0, 1], before[0, 1]) and not torch.equal(after[0, 0], before[0, 0])
    assert torch.equal(acquirers.embedding(pieces), before)


def test_a_dictionary_translates_the_longest_phrases_and_leaves_what_it_does_not_know():
    rows = [("train", "zug"), ("night", "nacht"), ("night train", "nacht zug")]
    dictionary = Dictionary(sorted(Translation(english, "de", said, "freedict-deu-eng") for english, said in rows))
    assert mla_dictionary.by_phrases(dictionary, "Der Nacht Zug, Nacht.", "de") == "Der night train night"
    assert mla_dictionary.by_phrases(dictionary, "Nacht", "sv") == "Nacht"


def test_average_recall_is_the_mean_of_six_numbers_over_languages():
    rows = [
        ("asked", "de", "dog", 1),
        ("asked", "de", "cat", 7),
        ("asked", "sv", "dog", 4),
        ("described", "de", "x", 99),
    ]
    found = mla_probe.figures(rows)
    assert found["R@1"]["mean"] == 25 and found["R@5"]["mean"] == 75 and found["R@10"]["mean"] == 100
    # described de 0; asked de (1/2 + 1/2 + 1) / 3, asked sv 2/3; each stratum the same weight
    assert found["AR"]["mean"] == pytest.approx(100 * (2 / 3 + 2 / 3 + 0) / 3, abs=1e-3)
    lower, upper = found["AR"]["ci95"]
    assert lower <= found["AR"]["mean"] <= upper and found["languages"] == ["de", "sv"]


@pytest.fixture
def amounts(options):
    acquisition = dataclasses.replace(options, languages=("fi", "sw"), stages=options.stages[1:])
    return AmountOptions(acquisition, sizes=(1, 2), seen_up_to=1, seeds=(0, 1))


def test_amounts_are_measured_for_each_way_size_and_seed_and_the_model_stays_as_it_was(
    base, options, amounts, material, tmp_path, monkeypatch
):
    monkeypatch.setattr(language_acquisition, "_exposure", lambda *arguments: exposure())
    monkeypatch.setattr(teaching, "STEPS", (4, 8))
    monkeypatch.setattr(teaching, "BATCH", 2)
    model = language_acquisition.train(options, base, tmp_path / "mla", BENCHMARK, IMAGES)
    monkeypatch.setattr(
        language_exposure, "gather", lambda *arguments: dataclasses.replace(exposure(), texts={"fi": (("hund", 0),)})
    )
    amounts = dataclasses.replace(amounts, acquisition=dataclasses.replace(amounts.acquisition, languages=("fi",)))
    report = mla_amounts.run(amounts, model, tmp_path / "out", BENCHMARK, IMAGES)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.json")) == [
        "fi-0-0.json", "fi-1-0.json", "fi-1-1.json", "fi-2-0.json", "fi-2-1.json"
    ]  # fmt: skip
    none, small, large = (
        json.loads((tmp_path / "out" / f"fi-{size}-0.json").read_text())["ways"] for size in (0, 1, 2)
    )
    assert set(none) == set(large) == {"acquirers", "mkd"} and set(small) == {"acquirers", "seen", "mkd"}
    lines = report.read_text(encoding="utf-8").splitlines()
    assert [line.split(" | ")[0] for line in lines[2:5]] == ["| 0", "| 1", "| 2"] and lines[3].endswith("| 2 |")
    monkeypatch.setattr(mla_amounts.loop, "train", None)
    again = mla_amounts.run(amounts, model, tmp_path / "out", BENCHMARK, IMAGES)
    assert again.read_text(encoding="utf-8").splitlines() == lines
    taken = dataclasses.replace(amounts, acquisition=dataclasses.replace(amounts.acquisition, languages=("de",)))
    with pytest.raises(RunError, match="reads de already"):
        mla_amounts.run(taken, model, tmp_path / "other", BENCHMARK, IMAGES)


def test_a_larger_drawing_holds_the_smaller_one_and_too_few_pairs_are_refused():
    pairs = [(f"word {number}", f"wort {number}") for number in range(10)]
    small, large = (mla_amounts.drawn(pairs, Cell("fi", size, 3)) for size in (4, 8))
    assert large[:4] == small and len(set(large)) == 8
    assert mla_amounts.drawn(pairs, Cell("fi", 8, 4)) != large
    with pytest.raises(RunError, match="fi has 10 pairs; wanted 11 or more"):
        mla_amounts.drawn(pairs, Cell("fi", 11, 0))


def test_the_recipes_reach_the_studies(monkeypatch, tmp_path, capsys):
    called = []
    monkeypatch.setattr(mla_study, "run", lambda *given: called.append(given) or tmp_path)
    monkeypatch.setattr(mla_amounts, "run", lambda *given: called.append(given) or tmp_path)
    recipes = ROOT / "training" / "recipes"
    flags = ["--output", str(tmp_path)]
    assert main(["mla_study", "--recipe", str(recipes / "mla-study.yaml"), *flags, "--only", "[nlt]"]) == 0
    assert main(["mla_amounts", "--recipe", str(recipes / "mla-amounts.yaml"), *flags]) == 0
    (options, base, *_, only), (amounts, model, *_) = called
    assert len(options.languages) == 7 and base == "runs/mla/2-image_alignment/final" and only == ["nlt"]
    assert amounts.sizes == (100, 200, 600, 1800) and amounts.acquisition.languages == ("id", "ga") and model == "mla"
    assert capsys.readouterr().out.splitlines() == [str(tmp_path)] * 2
