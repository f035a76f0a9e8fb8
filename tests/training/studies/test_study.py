"""Studies: a cell of each method is trained and measured, done once, and the tables are what the ranks say."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from cacara.benchmark.dataset.splits import Benchmark, Query
from cacara.galleries.manifest import Clip
from cacara.model import checkpoint
from tests.training.sounds.test_alignment import world  # noqa: F401  (a fixture)
from tests.training.uclip.test_uclip import lexicons, options_of, own_cache  # noqa: F401  (fixtures)
from training.__main__ import _parser, main
from training.data.translations import Translation
from training.feedback.data import TowerOutputs
from training.mla import teaching, transfer
from training.run_folder import RunError
from training.studies import makers, naming, simulated_feedback, study
from training.studies.cells import Cell
from training.studies.dev_split import DevSplit
from training.studies.dictionary import Dictionary
from training.studies.table import Column, Table, to_markdown

WORDS = {"en": ("dog", "cat", "bird"), "de": ("hund", "katze", "bell bell"), "sv": ("bell bell", "katze a", "bird")}
PAIRS = {
    "de": (Translation("a dog", "de", "hund", "cldr"), Translation("a cat", "de", "katze", "cldr")),
    "sv": (Translation("a bird", "sv", "bell bell", "cldr"), Translation("a cat", "sv", "katze a", "cldr")),
}
COLUMNS = [
    {"title": "German", "sets": ["text_to_audio"], "languages": ["de"]},
    {
        "title": "both",
        "sets": ["text_to_audio", "audio_to_text"],
        "depths": [1, 5, 10],
        "show": ["score", "difference"],
    },
]


def clip(name: str) -> Clip:
    return Clip(name, Path(name), "0" * 64, {}, name, "own", "CC0-1.0")


@pytest.fixture
def dev(monkeypatch, noise):
    """Dev is three sounds with three words in three languages."""
    queries = [Query(name, code, text) for code in WORDS for name, text in zip(WORDS["en"], WORDS[code], strict=True)]
    split = Benchmark("tiny", "0", "dev", tuple(map(clip, WORDS["en"])), tuple(queries))
    waveforms = [noise * (n + 1) / 3 for n in range(3)]
    monkeypatch.setattr(DevSplit, "sounds", (split, waveforms))


def written(path: Path, **content) -> Path:
    path.write_text(yaml.safe_dump({"title": "tiny", **content}, sort_keys=False), encoding="utf-8")
    return path


def run(path: Path, output: Path, **given) -> str:
    return study.run(study.read(str(path)), output, main, **given).read_text(encoding="utf-8")


@pytest.fixture
def base(tiny_model, tmp_path, monkeypatch):
    from cacara.encoders import audio

    monkeypatch.setattr(audio, "load", lambda *arguments, **named: tiny_model.audio)
    config = dataclasses.replace(tiny_model.config, name="base")
    checkpoint.save(tmp_path / "base", config, list(tiny_model.parts), "---\n---\n\n# base 1\n\nA card.\n")
    return tmp_path / "base"


@pytest.fixture
def mla(base, dev, tiny_text_folder, tmp_path, monkeypatch):
    """A study of MLA, whose lexicons are toys."""
    found = lambda options, model, benchmark: {code: PAIRS[code] for code in options.languages}  # noqa: E731
    monkeypatch.setattr(transfer, "pairs_of", found)
    loop = {"steps": 6, "batch_size": 4, "learning_rate": 0.02, "checkpoint_every": 100}
    options = {"name": "tiny", "version": "1", "recipe": "r", "policy": "studio", "languages": ["de", "sv"]}
    options |= {"stages": [{"stage": "nlt", "loop": loop}], "embedding": str(tiny_text_folder), "bottleneck": 8}
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"options": options | {"max_tokens": 8}, "base": str(base)}), encoding="utf-8")
    training = {"make": "training", "command": "language_acquisition", "recipe": str(recipe)}
    variants = {
        "base": {"make": "model", "model": str(base), "title": "the base"},
        "nlt": training,
        "bare": {**training, "options": {"bottleneck": 0}},
        "mkd": {"make": "distilled", "recipe": str(recipe), "whole": False},
    }
    tables = [{"title": "sounds", "columns": COLUMNS, "facts": ["parameters"]}]
    return written(tmp_path / "mla.yaml", variants=variants, tables=tables, reference="base", seeds=[0, 1])


def test_variants_of_mla_are_trained_measured_and_done_once(mla, base, tmp_path, monkeypatch):
    text = run(mla, tmp_path / "out")
    (table,) = json.loads((tmp_path / "out" / "study.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in table["rows"]}
    acquirers, embedding = 2 * 2 * 2 * 8 * 32, 32 * 32  # two languages of two layers, up and down
    assert rows["nlt"]["facts"]["parameters"] == [embedding + acquirers] and rows["nlt"]["seeds"] == 1
    assert rows["mkd"]["facts"]["parameters"] == [32 * 32 + 32] * 2
    assert rows["base"]["columns"][0]["queries"] == 3 and "against_reference" not in rows["base"]["columns"][1]
    assert all("against_reference" in rows[name]["columns"][1] for name in ("nlt", "bare", "mkd"))
    assert text.splitlines()[2].startswith("| sounds | seeds | German, R@1 / 5 / 10 | both, AR, 95 % | both, AR − ref")
    model, bare = (checkpoint.load(place, "cpu") for place in (base, tmp_path / "out" / "bare-0" / "final"))
    assert not np.allclose(model.encode_text(["hund"], "de"), bare.encode_text(["hund"], "de"))  # W_e alone has learnt
    assert np.array_equal(model.encode_text(["dog"], "en"), bare.encode_text(["dog"], "en"))

    read = study.read(str(mla))
    monkeypatch.setattr(makers, "MAKERS", {})  # nothing is made again
    assert study.run(read, tmp_path / "out", main).read_text(encoding="utf-8") == text


def test_a_cell_that_was_made_otherwise_and_unknown_names_are_refused(mla, tmp_path):
    run(mla, tmp_path / "out", only=["base"])
    other = mla.read_text(encoding="utf-8").replace("make: model", "make: dictionary")
    mla.write_text(other, encoding="utf-8")
    with pytest.raises(RunError, match="base-0.json was made with other options"):
        run(mla, tmp_path / "out", only=["base"])
    with pytest.raises(RunError, match="unknown variant 'nonsense'; wanted one of base, nlt"):
        run(mla, tmp_path / "out", only=["nonsense"])
    with pytest.raises(RunError, match="no study 'nonsense'; wanted one of feedback, mla"):
        study.read("nonsense")
    for change, told in (
        ({"variants": {"a": {"make": "magic"}}}, "make is 'magic'; wanted one of training, model"),
        ({"variants": {"a": {"make": "model", "mode": "x"}}}, "got an unexpected keyword argument 'mode'|missing"),
        ({"reference": "b"}, "the reference 'b' is no variant"),
    ):
        content = {"variants": {"a": {"make": "model", "model": "x"}}, "tables": []} | change
        with pytest.raises(RunError, match=told):
            study.read(str(written(tmp_path / "wrong.yaml", **content)))


def test_variants_of_uclip_are_trained_with_each_seed_and_change_one_thing(lexicons, dev, tmp_path):  # noqa: F811
    base = lexicons.train()
    recipe = tmp_path / "recipe.yaml"
    options = json.loads(json.dumps(dataclasses.asdict(options_of(lexicons))))
    recipe.write_text(yaml.safe_dump({"options": options, "base": str(base)}), encoding="utf-8")
    flags = {"benchmark": str(lexicons.benchmark), "pictures": "unused"}
    defaults = {
        "make": "training",
        "command": "uclip",
        "recipe": str(recipe),
        "seed_option": "loop.seed",
        "flags": flags,
    }
    variants = {"whole": {}, "not-centred": {"options": {"centred": False}}}
    path = written(
        tmp_path / "uclip.yaml",
        defaults=defaults | {"flags": flags},
        variants=variants,
        tables=[{"title": "dev", "columns": COLUMNS}],
        seeds=[0, 1],
    )
    run(path, tmp_path / "out")
    (table,) = json.loads((tmp_path / "out" / "study.json").read_text(encoding="utf-8"))
    assert [(row["name"], row["seeds"], "std" in row["columns"][0]) for row in table["rows"]] == [
        ("whole", 2, True),
        ("not-centred", 2, True),
    ]
    finals = [tmp_path / "out" / f"{name}-1" / "final" for name in variants]
    assert [checkpoint.read_config(final).centring for final in finals] == [True, False]
    record = json.loads((tmp_path / "out" / "whole-1" / "options.json").read_text(encoding="utf-8"))
    assert record["options"]["loop"]["seed"] == 1


def test_simulated_feedback_is_measured_before_and_after(tiny_model, dev, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    names = [name for name in ("dog", "cat", "bird", "rain") for _ in range(4)]
    clips = tuple(Clip(f"{n}", Path(f"{n}"), f"{n:064x}", {}, name, "own", "CC0-1.0") for n, name in enumerate(names))
    queries = tuple(
        Query(name, code, f"{name} {code} {n}") for name in dict.fromkeys(names) for code in WORDS for n in range(4)
    )
    heard = TowerOutputs(
        clips,
        rng.random((16, tiny_model.audio.features)).astype(np.float32),
        rng.random((16, tiny_model.audio.classes)).astype(np.float32),
    )
    split = Benchmark("tiny", "0", "dev", clips, queries)
    vectors = tiny_model.encode_text([query.text for query in queries], [query.language for query in queries])
    placed = simulated_feedback.finetuning.placed(tiny_model, heard, "sound")
    simulation = simulated_feedback.Simulation(tiny_model, split, heard, vectors, placed)
    monkeypatch.setattr(simulated_feedback, "_world", lambda base, packages: simulation)
    defaults = {"make": "feedback", "base": "tiny", "languages": ["en", "de"], "packages": []}
    tuned = {"judgements": 40, "options": {"loop": {"steps": 5, "batch_size": 8}, "objective": {"pull": 0.0}}}
    columns = [{"title": name, "sets": [name], "show": ["score", "difference"]} for name in ("judged", "unjudged")]
    path = written(
        tmp_path / "feedback.yaml",
        defaults=defaults,
        variants={"none": {"judgements": 0}, "judged-40": tuned},
        tables=[{"title": "feedback", "columns": columns, "facts": ["gate"]}],
        seeds=[3, 4],
    )
    lines = run(path, tmp_path / "out").splitlines()
    assert lines[4].startswith("| none | 2 | ") and lines[4].endswith("| – |") and " of 2 |" in lines[5]
    cells = [json.loads((tmp_path / "out" / f"{name}-3.json").read_text()) for name in ("none", "judged-40")]
    before, after = ([row[:4] for row in cell["rows"]] for cell in cells)
    assert before == after and {row[0] for row in before} == {"judged", "unjudged"}
    judged = [row for row in before if row[0] == "judged"]
    assert {row[1] for row in judged} == {"sv"} and not {row[2] for row in judged} & {
        row[2] for row in before if row[0] == "unjudged"
    }


def test_lessons_teach_the_drawn_pairs_and_leave_the_model_as_it_was(mla, base, tmp_path, monkeypatch):
    monkeypatch.setattr(teaching, "STEPS", (4, 8))
    monkeypatch.setattr(teaching, "BATCH", 2)
    run(mla, tmp_path / "out", only=["nlt"])
    monkeypatch.setitem(PAIRS, "fi", PAIRS["de"])
    made = {"make": "lessons", "model": str(tmp_path / "out" / "nlt-0" / "final"), "languages": ["fi"]}
    tables = [{"title": "taught", "columns": [COLUMNS[1]]}]
    path = written(
        tmp_path / "amounts.yaml",
        variants={f"pairs-{n}": {**made, "pairs": n} for n in (0, 2)},
        tables=tables,
        languages=["de", "fi"],
    )
    assert "| pairs-2 | 1 |" in run(path, tmp_path / "amounts")
    path.write_text(path.read_text(encoding="utf-8").replace("- fi\n", "- de\n"), encoding="utf-8")
    with pytest.raises(RunError, match="reads de already"):
        run(path, tmp_path / "other")


@pytest.mark.parametrize("name", sorted(path.stem for path in study.FOLDER.glob("*.yaml")))
def test_each_study_is_read_and_its_trainings_are_commands(name, tmp_path):
    read = study.read(name)
    assert read.tables and all(table.columns for table in read.tables)

    class Planned(Exception):
        pass

    def parsed(arguments):
        _parser().parse_args(arguments)
        raise Planned

    for variant in read.variants.values():
        if variant.make == "training":
            context = makers.Context(DevSplit(), tmp_path, 3, parsed)
            with pytest.raises(Planned):
                makers.training(context, **variant.arguments)
        if recipe := variant.arguments.get("recipe"):
            assert makers.recipe_path(recipe).is_file()


# Tables.


def cell(*ranks: int, language: str = "de", kind: str = "text_to_audio") -> list:
    return [(kind, language, f"concept {n}", f"text {n}", rank) for n, rank in enumerate(ranks)]


def test_a_score_is_the_mean_over_languages_and_directions():
    rows = [*cell(1, 7), *cell(4, language="sv"), *cell(99, kind="audio_to_text")]
    column = Column("AR", ("text_to_audio", "audio_to_text"), show=("recalls", "score"), depths=(1, 5, 10))
    table = Table("t", (column,)).compute({"a": [Cell(rows)]}, {"a": "A"}, "a")
    figures = table["rows"][0]["columns"][0]
    # audio_to_text de 0; text_to_audio de (1/2 + 1/2 + 1) / 3, sv 2/3; each the same weight
    assert figures["score"]["mean"] == pytest.approx(100 * (2 / 3 + 2 / 3 + 0) / 3, abs=1e-3)
    assert figures["recall_at_1"] == pytest.approx(100 * (1 / 2 + 0 + 0) / 3, abs=1e-3)
    lower, upper = figures["score"]["ci95"]
    assert lower <= figures["score"]["mean"] <= upper


def test_seeds_are_paired_with_the_reference_and_one_cell_stands_for_all():
    cells = {"a": [Cell(cell(*[20] * 8))], "b": [Cell(cell(*[1] * 8)), Cell(cell(*[1] * 4, *[20] * 4))]}
    table = Table("t", (Column("R", ("text_to_audio",), ("others",), ("difference",)),))
    found = table.compute(cells, {"a": "A", "b": "B", "c": "not done"}, "a")
    first, second = (row["columns"][0] for row in found["rows"])
    assert "against_reference" not in first
    assert second["against_reference"]["difference"] == 75 and second["against_reference"]["by_seed"] == [100, 50]
    assert second["against_reference"]["p_holm"] < 0.01
    assert to_markdown(found).splitlines()[3].startswith("| B | 2 | +75.0 (")
    assert "–" in to_markdown(Table("t", (Column("R", ("no_set",)),)).compute(cells, {"a": "A"}, "a"))


# Dictionaries and names.


def test_a_dictionary_knows_whole_texts_and_translates_the_longest_phrases():
    rows = [("train", "zug"), ("night", "nacht"), ("night train", "nacht zug")]
    dictionary = Dictionary(sorted(Translation(english, "de", text, "freedict-deu-eng") for english, text in rows))
    assert dictionary.translate("Nacht Zug.", "de") == "night train" and dictionary.translate("Zug", "sv") is None
    assert dictionary.by_phrases("Der Nacht Zug, Nacht.", "de") == "Der night train night"
    assert dictionary.by_phrases("Nacht", "sv") == "Nacht"


def test_a_larger_drawing_holds_the_smaller_one_and_too_few_pairs_are_refused():
    pairs = [(f"word {number}", f"wort {number}") for number in range(10)]
    small, large = (makers.drawn("fi", pairs, size, 3) for size in (4, 8))
    assert large[:4] == small and len(set(large)) == 8 and makers.drawn("fi", pairs, 8, 4) != large
    with pytest.raises(RunError, match="fi has 10 pairs; wanted 11 or more"):
        makers.drawn("fi", pairs, 11, 0)


def test_pictures_are_sorted_into_the_classes_that_a_language_names(monkeypatch):
    concepts = ("cat", "dog", "rain", "oak tree")
    pairs = (
        Translation("a cat", "cs", "kočka", "cldr"),
        Translation("cat", "cs", "kocour", "freedict-eng-ces"),
        Translation("Dogs", "cs", "psi", "freedict-eng-ces"),
        Translation("dog", "cs", "pes", "freedict-eng-ces"),
        Translation("rain", "cs", "liják", "tuxpaint"),
        Translation("cat", "sw", "paka", "cldr"),
    )
    monkeypatch.setattr(naming, "pairs", lambda: pairs)
    assert naming.class_names(pairs, concepts, ("cs", "sw")).names == {
        "en": {concept: (concept,) for concept in sorted(concepts)},
        "cs": {"cat": ("kočka",), "dog": ("pes", "psi")},  # CLDR's name before a dictionary's, never a stamp's own
    }  # Swahili names one class, which is no choice

    def embed(texts, code):  # knows English words alone; any other text lies between all of them
        known = [np.eye(4)[concepts.index(text)] if text in concepts else np.full(4, 0.5) for text in texts]
        return np.array(known, dtype=np.float32)

    rows = naming.rows(embed, list(map(clip, concepts)), np.eye(4, dtype=np.float32), ["cs", "en", "sw"])
    assert [(row[1], row[4]) for row in rows if row[0] == naming.NAMED] == [("en", 1)] * 4 + [("cs", 2)] * 2
    assert [row[4] for row in rows if row[0] == naming.IN_ENGLISH and row[1] == "cs"] == [1, 1]
