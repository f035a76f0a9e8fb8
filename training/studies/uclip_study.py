"""What uCLIP's parts are worth, and how long a query takes beside translating it first."""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cacara import files, sources
from cacara.benchmark import sound_benchmark
from cacara.encoders import use as use_text
from cacara.model import checkpoint
from cacara.model.config import TextConfig
from cacara.search.index import ExactIndex
from training import loop, run_folder
from training.data import translations
from training.data.translations import Translation
from training.run_folder import RunError
from training.studies import uclip_tables
from training.uclip import projectors
from training.uclip.projectors import Material, UclipOptions

SECOND_TEXT = {"text": TextConfig(use_text.NAME, "", 512)}
"""Another multilingual text tower; it was trained on few languages, so the bank's texts are of those alone."""

FEW = {"banks": {"languages": use_text.LANGUAGES}}

ABLATIONS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "uclip-whole": {},
    "uclip-no-intra": {"objective": {"intra_weight": 0.0}},
    "uclip-no-noise": {"objective": {"noise_variance": 0.0}},
    "uclip-text-only": {"objective": {"media_weight": 0.0, "intra_weight": 0.0}},
    "uclip-media-only": {"objective": {"text_weight": 0.0}},
    "uclip-small-texts": {"banks": {"texts": 1024}},
    "uclip-half-texts": {"banks": {"texts": 6144}},
    "uclip-small-media": {"banks": {"media_share": 0.25}},
    "uclip-disjoint": {"banks": {"disjoint": True}},
    "uclip-not-centred": {"": {"centred": False}},
    "uclip-few-languages": FEW,
    "uclip-second-text": {"": SECOND_TEXT, **FEW},
}
"""Name → part of the options → what is changed; the part ``""`` is the options themselves."""

MOST_SEEDS = 5

GALLERY = 1000
"""Sounds in the index that is searched; their embeddings are random, which costs the same."""

log = logging.getLogger(__name__)


def ablate(
    options: UclipOptions,
    base: str | Path,
    output: Path,
    sounds: Path,
    pictures: Path,
    only: Sequence[str] = (),
    seeds: int = 1,
) -> None:
    """Train models for every entry of ``ABLATIONS`` on the same material; what is finished is not done again.

    Args:
        options: The whole model.
        base: The dual encoder: a model's name or folder.
        output: Holds a run's folder for each.
        sounds: The frozen benchmark of sounds.
        pictures: The frozen benchmark of pictures.
        only: Names of ``ABLATIONS``; all when empty.
        seeds: How many of each, 1 to ``MOST_SEEDS``.

    Raises:
        RunError: A name is unknown, there are too many seeds or none, or a folder holds another run.
    """
    if unknown := [name for name in only if name not in ABLATIONS]:
        raise RunError(f"unknown ablation {unknown[0]!r:.60}; wanted one of {', '.join(ABLATIONS)}")
    if not 1 <= seeds <= MOST_SEEDS:
        raise RunError(f"seeds is {seeds}; wanted 1 to {MOST_SEEDS}")
    materials = _Materials(options, base, sounds, pictures)
    for seed, name in itertools.product(range(seeds), only or ABLATIONS):
        folder, wanted = _run_of(options, output, name, seed)
        if not _is_done(folder, wanted):
            begun = time.monotonic()
            projectors.train_on(materials.of(wanted.text), wanted, folder)
            log.info("%s took %.0f s", folder.name, time.monotonic() - begun)


def finished(options: UclipOptions, output: Path) -> dict[str, list[Path]]:
    """Return name → the model folders of the seeds of each ablation that ``ablate`` has made in a folder."""
    found: dict[str, list[Path]] = {}
    for name, seed in itertools.product(ABLATIONS, range(MOST_SEEDS)):
        folder, wanted = _run_of(options, output, name, seed)
        if _is_done(folder, wanted):
            found.setdefault(name, []).append(folder / "final")
    return found


def _run_of(options: UclipOptions, output: Path, name: str, seed: int) -> tuple[Path, UclipOptions]:
    wanted = changed(options, name)
    wanted = dataclasses.replace(wanted, loop=dataclasses.replace(wanted.loop, seed=options.loop.seed + seed))
    return output / (f"{name}-seed-{seed}" if seed else name), wanted


class _Materials:
    """What is trained on, gathered when it is first asked for; text towers differ, nothing else."""

    def __init__(self, options: UclipOptions, base: str | Path, sounds: Path, pictures: Path) -> None:
        self._asked = options, base, sounds, pictures
        self._whole: Material | None = None
        self._towers: dict[TextConfig, Material] = {}

    def of(self, text: TextConfig) -> Material:
        options = self._asked[0]
        with loop.start(options.loop).main_process_first():
            whole = self._whole = self._whole or projectors.gather_material(*self._asked)
            if text != options.text and text not in self._towers:
                tower, centring = projectors.multilingual(text, whole.rows)
                self._towers[text] = dataclasses.replace(whole, tower=tower, centring=centring)
        return self._towers.get(text, whole)


def _is_done(folder: Path, wanted: UclipOptions) -> bool:
    """Return whether a run with these options has been finished there."""
    if not (folder / "final" / checkpoint.CONFIG).is_file():
        return False
    record = json.loads((folder / run_folder.OPTIONS).read_text(encoding="utf-8"))
    return bool(record["options"] == json.loads(json.dumps(dataclasses.asdict(wanted))))


def tables(made: Mapping[str, Sequence[Path]], output: Path, sounds: Path, pictures: Path) -> str:
    """Measure ablations on dev and write ``table.json`` and ``table.md``; return the latter.

    The text tower of few languages is compared with the other one on those languages alone, in a table of its own.

    Args:
        made: Name → the model folders of its seeds.
        output: Where the tables are written.
        sounds: The frozen benchmark of sounds.
        pictures: The frozen benchmark of pictures.
    """
    groups = uclip_tables.measure(made, sounds, pictures)
    named = {group.name: group for group in groups}
    second = [named[name] for name in ("uclip-whole", "uclip-few-languages", "uclip-second-text") if name in named]
    parts = [uclip_tables.tabulate([group for group in groups if group.name != "uclip-second-text"])]
    parts += [uclip_tables.tabulate(second, use_text.LANGUAGES)] if "uclip-second-text" in named else []
    files.write_text(output / "table.json", json.dumps(parts, indent=1) + "\n")
    told = "\n".join(uclip_tables.to_markdown(part) for part in parts)
    files.write_text(output / "table.md", told)
    return told


def changed(options: UclipOptions, name: str) -> UclipOptions:
    """Return the options of an ablation: named so, with one thing changed."""
    made = dataclasses.replace(options, name=name)
    for part, values in ABLATIONS[name].items():
        inner: Any = values if not part else {part: dataclasses.replace(getattr(made, part), **values)}
        made = dataclasses.replace(made, **inner)
    return made


class Dictionary:
    """A translation by looking the whole text up: no sentence is understood, what is not found stays as it is."""

    def __init__(self, pairs: Sequence[Translation]) -> None:
        """Keep the first English text of every text.

        Args:
            pairs: Translations, sorted.
        """
        self._english: dict[tuple[str, str], str] = {}
        for pair in pairs:
            self._english.setdefault((pair.language, _folded(pair.text)), pair.english)

    def translate(self, text: str, language: str) -> str | None:
        """Return the English text of a text, or None when it is not known."""
        return self._english.get((language, _folded(text)))


def _folded(text: str) -> str:
    return text.casefold().strip(" .!?")


@dataclasses.dataclass(frozen=True)
class Latency:
    """How long queries took, one at a time, from the text to the ten best sounds.

    Attributes:
        queries: How many.
        median_ms: Of milliseconds.
        p90_ms: The ninth decile.
        known: Share of the queries that were translated; 1 where nothing is.
    """

    queries: int
    median_ms: float
    p90_ms: float
    known: float


def latency(
    model: str | Path, base: str | Path, sounds: Path, languages: Sequence[str], most: int = 100
) -> dict[str, Latency]:
    """Return the time of the whole query path: through uCLIP's model, and through a dictionary and the base.

    The dictionary is FreeDict's, whatever its words: it may name what the models were not allowed to see.

    Args:
        model: A name or folder.
        base: The dual encoder that it was trained on.
        sounds: The frozen benchmark, whose dev texts are asked.
        languages: In which it is asked.
        most: Queries at most.

    Raises:
        RunError: There is no dev text in these languages.
    """
    keys = sound_benchmark.required_sources(sounds, "dev")
    folders = sources.fetch_all(sorted({*keys, *translations.DICTIONARIES}), lambda progress: log.info("%s", progress))
    dev = sound_benchmark.load(sounds, "dev", {key: folders[key] for key in keys})
    asked = sorted({(query.text, query.language) for query in dev.queries if query.language in languages})[:most]
    if not asked:
        raise RunError(f"no dev text is in {', '.join(languages)}; wanted languages of the benchmark")
    pairs = translations.collect({key: folders[key] for key in translations.DICTIONARIES})
    dictionary = Dictionary(pairs)
    own, english = checkpoint.load(model, "cpu"), checkpoint.load(base, "cpu")
    known = float(np.mean([dictionary.translate(*query) is not None for query in asked]))

    def translated(text: str, language: str) -> np.ndarray:
        return english.encode_text([dictionary.translate(text, language) or text], "en")

    return {
        "uclip": _timed(lambda text, language: own.encode_text([text], language), asked, 1.0),
        "dictionary, then the base": _timed(translated, asked, known),
    }


def _timed(embed: Callable[[str, str], np.ndarray], asked: Sequence[tuple[str, str]], known: float) -> Latency:
    first = embed("warm up", "en")
    rows = np.random.default_rng(0).normal(size=(GALLERY, first.shape[1])).astype(np.float32)
    index = ExactIndex([str(row) for row in range(GALLERY)], rows)
    taken, texts = [], set[str]()
    for text, language in asked:
        if text not in texts:  # a model remembers what it was asked before
            texts.add(text)
            begun = time.perf_counter()
            index.search(embed(text, language), 10)
            taken.append(1000 * (time.perf_counter() - begun))
    return Latency(len(taken), float(np.median(taken)), float(np.quantile(taken, 0.9)), known)
