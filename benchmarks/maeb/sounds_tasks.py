"""sounds-v1 as two retrieval tasks of mteb, text to audio and audio to text, a subset a language.

Recall is mteb's ``hit_rate_at_k``; ``python -m cacara evaluate`` reports the same figure as R@k, but for ties, which
mteb does not count against a model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import langcodes
from datasets import Audio, Dataset
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata

from benchmarks.maeb.encoder import COLLECTIVE
from cacara import sources
from cacara.benchmark.dataset import benchmark_file, splits
from cacara.benchmark.dataset.splits import Benchmark

PATH = Path(__file__).parents[1] / "sounds-v1.jsonl"


def mteb_code(language: str) -> str:
    """Return a BCP-47 code as mteb writes it: ISO 639-3 and script, e.g. ``swa-Latn`` for ``sw``."""
    tag = langcodes.Language.get(COLLECTIVE.get(language, language))
    return f"{tag.to_alpha3()}-{tag.maximize().script}"


def _metadata(name: str, category: str) -> TaskMetadata:
    rows = benchmark_file.read(PATH)
    languages = sorted({row.language for row in rows.texts})
    return TaskMetadata(
        name=name,
        description="Real sounds of everyday things and texts that name or describe them, in many languages.",
        reference=None,
        dataset={"path": "benchmarks/sounds-v1.jsonl", "revision": rows.hash},
        type="Any2AnyRetrieval",
        category=category,
        modalities=["text", "audio"],
        eval_splits=["dev", "test"],
        eval_langs={language: [mteb_code(language)] for language in languages},
        main_score="hit_rate_at_10",
        date=("2000-01-01", "2026-12-31"),
        domains=["Written"],
        task_subtypes=["Natural Sound Retrieval"],
        license="not specified",
        annotations_creators="human-annotated",
        dialect=[],
        sample_creation="found",
        bibtex_citation="",
    )


class _SoundsTask(AbsTaskRetrieval):
    """A task whose data are the benchmark's, fetched by ``cacara.sources``."""

    def load_data(self, num_proc: int | None = None, **kwargs: object) -> None:
        """Fetch, verify and arrange the splits and languages that are asked for."""
        if self.data_loaded:
            return
        self.dataset = {language: {} for language in self.hf_subsets}
        for split in self.eval_splits:
            benchmark = self.benchmark(split)
            for language in set(benchmark.languages) & set(self.hf_subsets):
                self.dataset[language][split] = self.arrange(benchmark, language)
        self.dataset = {language: splits for language, splits in self.dataset.items() if splits}
        self.data_loaded = True

    def benchmark(self, split: str) -> Benchmark:
        """Return one split of the benchmark."""
        keys = splits.required_sources(PATH, split)
        return splits.load(PATH, split, sources.fetch_all(sorted(keys)))

    def arrange(self, benchmark: Benchmark, language: str) -> RetrievalSplitData:
        """Return queries, candidates and which are right, of one language."""
        raise NotImplementedError(f"{type(self).__name__} defines no retrieval direction (queries and corpus)")


class SoundsV1T2ARetrieval(_SoundsTask):
    """A text asks for the sounds of its concept."""

    metadata = _metadata("SoundsV1T2ARetrieval", "t2a")

    def arrange(self, benchmark: Benchmark, language: str) -> RetrievalSplitData:
        """Return one query for each text and concept, and all sounds of the split."""
        asked = sorted({(query.text, query.concept) for query in benchmark.queries if query.language == language})
        named = {f"q{number}": pair for number, pair in enumerate(asked)}
        return RetrievalSplitData(
            corpus=_sounds(benchmark),
            queries=Dataset.from_dict({"id": list(named), "text": [text for text, _ in named.values()]}),
            relevant_docs={
                query: {clip.clip_id: 1 for clip in benchmark.clips if clip.concept == concept}
                for query, (_, concept) in named.items()
            },
            top_ranked=None,
        )


class SoundsV1A2TRetrieval(_SoundsTask):
    """A sound asks for the texts of its concept; one whose concept a language has no text for is left out there."""

    metadata = _metadata("SoundsV1A2TRetrieval", "a2t")

    def arrange(self, benchmark: Benchmark, language: str) -> RetrievalSplitData:
        """Return the sounds, and the distinct texts of the language."""
        concepts: dict[str, set[str]] = {}
        for query in benchmark.queries:
            if query.language == language:
                concepts.setdefault(query.text, set()).add(query.concept)
        texts = {f"d{number}": text for number, text in enumerate(sorted(concepts))}
        relevant = {
            clip.clip_id: {key: 1 for key, text in texts.items() if clip.concept in concepts[text]}
            for clip in benchmark.clips
        }
        relevant = {clip_id: found for clip_id, found in relevant.items() if found}
        sounds = _sounds(benchmark)
        kept = [position for position, clip_id in enumerate(sounds["id"]) if clip_id in relevant]
        return RetrievalSplitData(
            corpus=Dataset.from_dict({"id": list(texts), "text": list(texts.values())}),
            queries=sounds.select(kept),
            relevant_docs=relevant,
            top_ranked=None,
        )


def _sounds(benchmark: Benchmark) -> Dataset:
    columns: dict[str, Any] = {
        "id": [clip.clip_id for clip in benchmark.clips],
        "audio": [str(clip.path) for clip in benchmark.clips],
    }
    return Dataset.from_dict(columns).cast_column("audio", Audio(decode=False))
