"""uCLIP beside what would do without it: translating first, and other models, on dev.

Two tables. ``translate_then_search``: a text is looked up in a dictionary, and what it finds there, else the text as
it stands, is searched with in English. ``classify_stamps``: dev's pictures sorted into the concepts of dev, which are
named in other languages by lexicons; a language's classes are those that it has a name for, so languages differ in how
many.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cacara import sources
from cacara.benchmark import entries, image_benchmark, sound_retrieval
from cacara.benchmark.figures import figures
from cacara.benchmark.outcome import Outcome, part_of
from cacara.benchmark.sound_benchmark import Benchmark
from cacara.media import images
from cacara.model.model import Cacara
from cacara.search import classification
from cacara.search.classification import Labels
from training.data import translations
from training.data.translations import Translation
from training.run_folder import RunError
from training.studies import uclip_tables
from training.studies.uclip_study import Dictionary
from training.studies.uclip_tables import FIVE, SOUNDS, TEN

NAMED_BY = ("cldr", "gcompris", "freedict")
"""Where names of classes are taken from: the first of these that has any, by the beginning of a source's key."""
MOST_NAMES = 3

log = logging.getLogger(__name__)


class DictionaryModel:
    """An English model whose texts are looked up in a dictionary first."""

    def __init__(self, model: entries.SharedModel, dictionary: Dictionary) -> None:
        """Wrap a model.

        Args:
            model: It reads English.
            dictionary: What it does not know stays as it is.
        """
        self._model = model
        self._dictionary = dictionary

    def encode_text(
        self, texts: Sequence[str], languages: str | Sequence[str] | None = None, *, centre: bool | None = True
    ) -> np.ndarray:
        """Return float32 ``[texts, dimension]`` of the translations; ``languages`` is one code."""
        assert isinstance(languages, str)
        english = [self._dictionary.translate(text, languages) or text for text in texts]
        return self._model.encode_text(english, "en", centre=centre)

    def encode_audio(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Return float32 ``[clips, dimension]``, see ``Cacara.encode_audio``."""
        return self._model.encode_audio(waveforms)


def translate_then_search(models: Mapping[str, Cacara], base: str, dictionary: Dictionary, sounds: Path) -> list[Any]:
    """Return, JSON-ready, how dev's sounds are found by text in uCLIP's fifteen languages, a row a system.

    Args:
        models: Name → model; each is asked as it is.
        base: The name of the English one, which is also asked after translation.
        dictionary: To English.
        sounds: The frozen benchmark of sounds.

    Returns:
        Rows of ``name``, ``five``, ``ten``, and of the texts that the dictionary knows and does not know in all fifteen
        ``known`` and ``unknown``.
    """
    split, waveforms = uclip_tables.read_sounds(sounds)
    queries = tuple(query for query in split.queries if query.language in (*FIVE, *TEN))
    if not queries:
        raise RunError(f"{sounds} has no dev text in {', '.join((*FIVE, *TEN))}; wanted the benchmark of sounds")
    asked = Benchmark(split.name, split.hash, split.split, split.clips, queries)
    heard: dict[int, Any] = {}
    systems: dict[str, Any] = {name: entries.SharedModel(model, heard) for name, model in models.items()}
    systems[f"dictionary, then {base}"] = DictionaryModel(systems[base], dictionary)
    modes = [sound_retrieval.AS_THE_MODEL_HAS_IT]
    measured = sound_retrieval.measure(systems, asked, waveforms, modes=modes)
    return [_found(row.system, row.outcomes[SOUNDS], dictionary) for row in measured]


def _found(name: str, outcomes: Mapping[str, Outcome], dictionary: Dictionary) -> dict[str, Any]:
    known = {
        code: np.array([dictionary.translate(text, code) is not None for text in outcome.queries])
        for code, outcome in outcomes.items()
    }
    parts: dict[str, Mapping[str, Outcome]] = {
        "five": {code: outcomes[code] for code in FIVE if code in outcomes},
        "ten": {code: outcomes[code] for code in TEN if code in outcomes},
        "known": {code: part_of(outcome, known[code]) for code, outcome in outcomes.items() if known[code].any()},
        "unknown": {
            code: part_of(outcome, ~known[code]) for code, outcome in outcomes.items() if not known[code].all()
        },
    }
    return {"name": name, **{part: figures([rows]) if rows else None for part, rows in parts.items()}}


def class_names(pairs: Sequence[Translation], concepts: Sequence[str], languages: Sequence[str]) -> Labels:
    """Return what lexicons call concepts; English has the concept itself.

    Args:
        pairs: Translations.
        concepts: English names.
        languages: Languages to name them in; those that name fewer than two concepts are left out.
    """
    wanted = {translations.singular(concept): concept for concept in concepts}
    found: dict[str, dict[str, dict[int, set[str]]]] = {}
    for pair in pairs:
        concept = wanted.get(translations.singular(pair.english))
        place = next((n for n, key in enumerate(NAMED_BY) if pair.source.startswith(key)), None)
        if concept is not None and place is not None and pair.language in languages:
            rows = found.setdefault(pair.language, {}).setdefault(concept, {})
            rows.setdefault(place, set()).add(pair.text)
    names: dict[str, dict[str, tuple[str, ...]]] = {"en": {concept: (concept,) for concept in sorted(concepts)}}
    for code in languages:
        kept = {concept: tuple(sorted(of[min(of)])[:MOST_NAMES]) for concept, of in found.get(code, {}).items()}
        if len(kept) > 1:
            names[code] = dict(sorted(kept.items()))
    return Labels(names)


def classify_stamps(models: Mapping[str, Cacara], pairs: Sequence[Translation], pictures: Path) -> dict[str, Any]:
    """Return, JSON-ready, how well dev's pictures are sorted into classes named in English and fifteen languages.

    Args:
        models: Name → a model that sees.
        pairs: Translations of all lexicons.
        pictures: The frozen benchmark of pictures.

    Returns:
        Model → language → ``top_1`` with its interval and chance, ``classes``, ``with_truth`` (pictures), and
        ``english_top_1``: the same pictures and classes, named in English.
    """
    keys = {row.source for row in image_benchmark.read(pictures).images}
    split = image_benchmark.load(pictures, "dev", sources.fetch_all(sorted(keys)))
    truth = {picture.clip_id: picture.concept or "" for picture in split.images}
    pixels = [images.load(picture.path, images.GALLERY_LIMITS) for picture in split.images]
    labels = class_names(pairs, sorted(set(truth.values())), (*FIVE, *TEN))
    found: dict[str, Any] = {}
    for name, model in models.items():
        embedded = dict(zip(truth, model.encode_image(pixels), strict=True))
        report = classification.to_report(classification.classify(model, embedded, labels, truth), labels)
        found[name] = dict(report["languages"])
        for code, names in labels.names.items():
            same = Labels({"en": {concept: (concept,) for concept in names}})
            english = classification.to_report(classification.classify(model, embedded, same, truth), same)
            found[name][code]["english_top_1"] = english["languages"]["en"]["top_1"]
        log.info("%s sorted %d pictures", name, len(truth))
    return found


def study(given: Sequence[str], base: str, sounds: Path, pictures: Path) -> dict[str, Any]:
    """Return both tables, JSON-ready.

    Args:
        given: Models as of ``--compare``: ``[LABEL=]NAME_OR_FOLDER``.
        base: The English dual encoder, likewise.
        sounds: The frozen benchmark of sounds.
        pictures: The frozen benchmark of pictures.

    Raises:
        CheckpointError: A model cannot be loaded, or is given twice.
        SourceError: A package cannot be fetched.
    """
    asked = entries.parse([*given, base])
    loaded = entries.load(asked, "cpu", lambda progress: log.info("%s", progress))
    models = {entry.name: model for entry, model in zip(asked, loaded, strict=True)}
    folders = sources.fetch_all(translations.ALL_SOURCES, lambda progress: log.info("%s", progress))
    pairs = translations.collect(folders)
    dictionary = Dictionary([pair for pair in pairs if pair.source in translations.DICTIONARIES])
    return {
        "translate_then_search": translate_then_search(models, asked[-1].name, dictionary, sounds),
        "classify_stamps": classify_stamps({n: m for n, m in models.items() if m.sees}, pairs, pictures),
    }


def to_markdown(found: Mapping[str, Any]) -> str:
    """Return what ``study`` found as Markdown."""
    return (
        "\n".join([*_search_lines(found["translate_then_search"]), "", *_class_lines(found["classify_stamps"])]) + "\n"
    )


def _search_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    counted = {part: rows[0][part]["queries"] if rows[0][part] else 0 for part in ("known", "unknown")}
    yield (
        "| text → audio, R@1 / 5 / 10 | five | ten | five's and ten's R@10, 95 % "
        f"| {counted['known']} texts that the dictionary knows | {counted['unknown']} others |"
    )
    yield "|---" * 6 + "|"
    for row in rows:
        intervals = ", ".join("{:.1f}–{:.1f}".format(*row[p]["ci95_recall_at_10"]) for p in ("five", "ten") if row[p])
        cells = [row["name"], _recalls(row["five"]), _recalls(row["ten"]), intervals]
        yield f"| {' | '.join([*cells, _recalls(row['known']), _recalls(row['unknown'])])} |"


def _recalls(found: Mapping[str, Any] | None) -> str:
    return "–" if found is None else " / ".join(f"{found[f'recall_at_{depth}']:.1f}" for depth in (1, 5, 10))


def _class_lines(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    first = next(iter(found.values()))
    yield f"| pictures, top 1 (same classes in English) | {' | '.join(found)} | chance | classes, pictures |"
    yield "|---" * (len(found) + 3) + "|"
    for code, row in first.items():
        cells = []
        for rows in found.values():
            lower, upper = rows[code]["ci95_top_1"]
            cells.append(f"{rows[code]['top_1']:.1f} [{lower:.0f}–{upper:.0f}] ({rows[code]['english_top_1']:.1f})")
        yield (f"| {code} | {' | '.join(cells)} | {row['chance_top_1']:.1f} | {row['classes']}, {row['with_truth']} |")
    for name, codes in (("mean of five", FIVE), ("mean of ten", TEN)):
        there = [code for code in codes if code in first]
        if there:
            means = [[np.mean([rows[code][key] for code in there]) for key in _MEANS] for rows in found.values()]
            chance = np.mean([first[code]["chance_top_1"] for code in there])
            cells = [f"{own:.1f} ({english:.1f})" for own, english in means]
            yield f"| {name} | {' | '.join(cells)} | {chance:.1f} | |"


_MEANS = ("top_1", "english_top_1")
