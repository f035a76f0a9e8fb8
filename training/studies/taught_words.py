"""Words taught to the lexical memory: how many pairs bring how much in languages that the encoder was not trained on.

The memory of a model is made to forget five languages, those of dev-2 with the most names among the languages that
GATITOS translates and XLM-RoBERTa has not read; Cantonese is left out, as it borrows words of Chinese. Then GATITOS'
pairs are taught as the Teach tab teaches them, and dev-2's names of sounds are asked, which are other people's
translations. Pairs are drawn at random, or those first whose English is a word of AudioSet's class names, as somebody
would begin who wants to find sounds.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cacara import languages, sources
from cacara.benchmark.dataset import splits
from cacara.benchmark.dataset.splits import Benchmark
from cacara.benchmark.retrieval import AS_THE_MODEL_HAS_IT, measure
from cacara.benchmark.significance import paired_difference
from cacara.encoders.class_names import names_of
from cacara.errors import LexiconError
from cacara.lexicon import LexiconTable, PersonalWord
from cacara.media import audio
from cacara.model import checkpoint
from cacara.model.model import Cacara
from cacara.model.parts.lexical_memory import FUNCTION_WORDS, LexicalMemory
from cacara_files import atomic
from training.data import class_names
from training.data.corpora.words import gatitos
from training.run_folder import RunError

LANGUAGES = ("ak", "ba", "cv", "fo", "ti")
AMOUNTS = (20, 100, 300, 1000)
SEEDS = (0, 1, 2)
ORDERS = {"random": "any words", "sounds": "words of sounds first"}
DEPTH = 10
BEFORE, BUNDLED = "none taught", "bundled lexicon"


class _Asked:
    """A model in a benchmark: its texts anew, the sounds as they were embedded once."""

    def __init__(self, model: Cacara, sounds: NDArray[np.float32]) -> None:
        self.model = model
        self._sounds = sounds

    def encode_text(
        self, texts: Sequence[str], languages: str | Sequence[str] | None = None, *, centre: bool | None = True
    ) -> NDArray[np.float32]:
        return self.model.encode_text(texts, languages, centre=centre)

    def encode_audio(self, waveforms: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return self._sounds


def study(output: Path, dev_2: Path, model_name: str = checkpoint.DEFAULT_MODEL) -> str:
    """Teach, ask, and write ``taught_words.md`` into a folder; return its text.

    Args:
        output: A folder, which is made.
        dev_2: The frozen benchmark by which choices are made.
        model_name: A model with a lexical memory.

    Raises:
        RunError: The model has none.
        CacaraError: The model or a source cannot be had.
    """
    model = checkpoint.load(model_name, "cpu")
    memory = model.part(LexicalMemory)
    if memory is None:
        raise RunError(f"the model {model_name} has no lexical memory; wanted one that words can be taught to")
    benchmark = _benchmark(dev_2)
    waveforms = [audio.load(clip.path, audio.GALLERY_LIMITS).waveform for clip in benchmark.clips]
    sounds = model.encode_audio(waveforms)
    lists = _lists(names_of(model.config.audio.backbone, model.audio))
    forgetful = model.with_parts(LexicalMemory(memory.config, _without_languages(memory.table), memory.senses))
    systems = {BEFORE: _Asked(forgetful, sounds), BUNDLED: _Asked(model, sounds)}
    for (order, seed), rows in lists.items():
        for amount in AMOUNTS:
            words = [word for own in rows.values() for word in own[:amount]]
            systems[f"{order}-{amount}-{seed}"] = _Asked(forgetful.with_words(words), sounds)
    measured = measure(systems, benchmark, waveforms, modes=(AS_THE_MODEL_HAS_IT,))
    outcomes = {each.system: each.outcomes["text_to_audio"] for each in measured}
    text = _report(systems, outcomes, benchmark)
    atomic.write_text(output / "taught_words.md", text)
    return text


def _benchmark(path: Path) -> Benchmark:
    found = splits.load(path, "dev", sources.fetch_all(sorted(splits.required_sources(path, "dev"))))
    return dataclasses.replace(found, queries=tuple(query for query in found.queries if query.language in LANGUAGES))


def _without_languages(table: LexiconTable) -> LexiconTable:
    """Return a table that knows no word of ``LANGUAGES``."""
    numbers = [number for number, code in enumerate(table.languages) if code in LANGUAGES]
    known = ~np.isin(table.entry_languages, numbers)
    return dataclasses.replace(table, weights=table.weights * known[:, None])


def _lists(names: Iterable[str]) -> Mapping[tuple[str, int], Mapping[str, list[PersonalWord]]]:
    """Return by order and seed each language's pairs as they would be taught."""
    of_sounds = {word for name in names for part in class_names.phrasings(name) for word in part.split()}
    of_sounds -= FUNCTION_WORDS | {"sound"}
    pairs: dict[str, dict[tuple[str, str, str], PersonalWord]] = {code: {} for code in LANGUAGES}
    for entry in gatitos.read(sources.fetch_all(["gatitos"])["gatitos"]):
        if (code := languages.base(entry.language)) in pairs and entry.sense == 0:
            try:
                word = PersonalWord(code, entry.text, entry.english, source=gatitos.SOURCE)
            except LexiconError:  # a sentence
                continue
            pairs[code].setdefault(word.about, word)
    lists = {}
    for order in ORDERS:
        for seed in SEEDS:
            drawn = {code: random.Random(seed).sample(list(own.values()), len(own)) for code, own in pairs.items()}
            if order == "sounds":
                for own in drawn.values():
                    own.sort(key=lambda word: word.english.lower() not in of_sounds)
            lists[order, seed] = drawn
    return lists


def _report(systems: Mapping[str, _Asked], outcomes: Mapping[str, Any], benchmark: Benchmark) -> str:
    """Return R@10 by language and in the mean, with the interval of what the pairs brought, as Markdown."""
    strata = np.concatenate([[code] * len(outcomes[BEFORE][code].ranks) for code in LANGUAGES])
    concepts = np.concatenate([outcomes[BEFORE][code].concepts for code in LANGUAGES])

    def hits(names: Sequence[str]) -> NDArray[np.float64]:
        rows = [np.concatenate([outcomes[name][code].hits(DEPTH) for code in LANGUAGES]) for name in names]
        return np.mean(rows, axis=0)

    def row(title: str, names: Sequence[str]) -> str:
        found, before = hits(names), hits([BEFORE])
        gain = paired_difference(before, found, concepts, strata)
        means = [found[strata == code].mean() for code in LANGUAGES]
        known = np.mean([_share_known(systems[name].model, benchmark) for name in names])
        told = "" if names == [BEFORE] else f"{gain.difference:+.1f} ({gain.lower:+.1f} to {gain.upper:+.1f})"
        cells = (title, f"{100 * known:.0f}", *(f"{mean:.1f}" for mean in means), f"{np.mean(means):.1f}", told)
        return f"| {' | '.join(cells)} |"

    heads = [f"{languages.describe(code).english_name} ({(strata == code).sum()})" for code in LANGUAGES]
    lines = [f"| pairs taught | names with a known word, % | {' | '.join(heads)} | mean | gain (95 %) |"]
    lines += [f"|---|{'---|' * (len(heads) + 3)}", row(BEFORE, [BEFORE])]
    for order, title in ORDERS.items():
        for amount in AMOUNTS:
            lines.append(row(f"{amount:,}, {title}", [f"{order}-{amount}-{seed}" for seed in SEEDS]))
    lines.append(row(BUNDLED, [BUNDLED]))
    return "\n".join(lines) + "\n"


def _share_known(model: Cacara, benchmark: Benchmark) -> float:
    return float(np.mean([bool(model.look_up(query.text, query.language)) for query in benchmark.queries]))
