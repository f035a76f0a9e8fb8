"""How much is lost when a query is spoken instead of typed: Tux Paint's descriptions, of which people read many aloud.

A query is the description of a stamp, spoken or written, the candidates are the pictures of a split of the images
benchmark, relevant are those of the stamp's concept. What is spoken is written down by Whisper, with the language given
and with the language guessed, and what it wrote is searched for in the language it wrote.
"""

from __future__ import annotations

import dataclasses
import hashlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cacara import languages
from cacara.benchmark.dataset.benchmark_file import ImageRow
from cacara.errors import LanguageError
from cacara.galleries.manifest import Clip
from cacara.media import audio
from cacara.metrics import bootstrap_interval, chance_recall_at_k, ranks_of_first_relevant
from cacara.model.model import Cacara
from cacara.recordings.speech import Transcriber
from cacara.sources import texts as source_texts

K = 10
WAYS = ("typed, given", "typed, detected", "spoken, given", "spoken, guessed")


@dataclasses.dataclass(frozen=True)
class SpokenDescription:
    """A description that somebody reads aloud.

    Attributes:
        concept: The concept that it describes.
        language: BCP-47.
        text: The description as it is written.
        path: The recording.
    """

    concept: str
    language: str
    text: str
    path: Path


def spoken_descriptions(rows: Sequence[ImageRow], root: Path, limit: int | None = None) -> list[SpokenDescription]:
    """Return the spoken descriptions of stamps that have the text as well, by language and stamp.

    Args:
        rows: The stamps.
        root: The folder of the stamps.
        limit: At most so many a language, drawn by a hash of their names; None takes all.
    """
    found: dict[str, list[tuple[str, SpokenDescription]]] = {}
    for row in rows:
        captions = source_texts.stamp_captions(root / row.texts)
        stem = root / row.member.rpartition(".")[0]
        for path in sorted(stem.parent.glob(f"{stem.name}_desc*.ogg")):
            locale = path.stem.removeprefix(f"{stem.name}_desc").removeprefix("_") or "en"
            try:
                language = languages.normalise(locale)
            except LanguageError:  # one file has its ending twice
                continue
            if texts := captions.get(language):
                digest = hashlib.sha256(path.name.encode()).hexdigest()
                found.setdefault(language, []).append(
                    (digest, SpokenDescription(row.concept, language, texts[0], path))
                )
    return [
        spoken
        for language in sorted(found)
        for _, spoken in sorted(found[language], key=lambda pair: (pair[0], str(pair[1].path)))[:limit]
    ]


def measure(
    model: Cacara,
    transcriber: Transcriber,
    queries: Sequence[SpokenDescription],
    pictures: Sequence[Clip],
    embeddings: np.ndarray,
    progress: Callable[[float], None] = lambda fraction: None,
) -> dict[str, Any]:
    """Return recall at ``K`` of each way of asking, by language and over all, as plain values.

    Args:
        model: Searches.
        transcriber: Writes down.
        queries: At least one.
        pictures: The candidates, each with a concept.
        embeddings: Theirs, float32 [pictures, dimension].
        progress: Told which share of the queries is done.
    """
    texts: dict[str, list[tuple[str, str | None]]] = {way: [] for way in WAYS}
    seconds: list[float] = []
    for number, query in enumerate(queries):
        progress(number / len(queries))
        waveform = audio.load(query.path, audio.GALLERY_LIMITS).waveform
        given = transcriber.write_down(waveform, query.language)
        guessed = transcriber.write_down(waveform)
        seconds.append(given.seconds)
        texts["typed, given"].append((query.text, query.language))
        texts["typed, detected"].append((query.text, languages.detect(query.text).language))
        texts["spoken, given"].append((given.text, query.language))
        texts["spoken, guessed"].append((guessed.text, guessed.language))
    relevant = np.array([[picture.concept == query.concept for picture in pictures] for query in queries])
    hits = {way: _hits(model, said, relevant, embeddings) for way, said in texts.items()}
    right = [_same(guess, query.language) for (_, guess), query in zip(texts["spoken, guessed"], queries, strict=True)]
    spoken = sorted({query.language for query in queries})
    of = {language: [n for n, query in enumerate(queries) if query.language == language] for language in spoken}
    rows = {language: _row(hits, right, positions) for language, positions in of.items()}
    concepts = [query.concept for query in queries]
    strata = [query.language for query in queries]
    means = {
        way: {
            "recall": round(float(np.mean([rows[language][way] for language in spoken])), 1),
            "interval": [round(bound, 1) for bound in bootstrap_interval(values, concepts, strata)],
        }
        for way, values in hits.items()
    }
    return {
        "k": K,
        "pictures": len(pictures),
        "chance": round(chance_recall_at_k(relevant, K), 1),
        "languages": rows,
        "mean": means,
        "language_guessed_right": round(float(np.mean(right)) * 100, 1),
        "seconds_a_query": round(statistics.median(seconds), 2),
    }


def to_markdown(report: Mapping[str, Any]) -> str:
    """Return the report as a table to read."""
    head = [f"| language | queries | {' | '.join(WAYS)} | guessed right |", "|---|---|" + "---|" * (len(WAYS) + 1)]
    for language, row in report["languages"].items():
        figures = " | ".join(f"{row[way]:.1f}" for way in WAYS)
        head.append(f"| {language} | {row['queries']} | {figures} | {row['guessed_right']:.0f} |")
    total = sum(row["queries"] for row in report["languages"].values())
    means = " | ".join(
        f"{report['mean'][way]['recall']:.1f} ({report['mean'][way]['interval'][0]:.0f}–"
        f"{report['mean'][way]['interval'][1]:.0f})"
        for way in WAYS
    )
    head.append(f"| mean | {total} | {means} | {report['language_guessed_right']:.0f} |")
    head.append(
        f"\nR@{report['k']} in percent (95 % interval) over {report['pictures']} pictures, split {report['split']}, "
        f"model {report['model']}; chance {report['chance']:.1f}; {report['seconds_a_query']:.1f} s to write it.\n"
    )
    return "\n".join(head)


def _hits(
    model: Cacara, said: Sequence[tuple[str, str | None]], relevant: np.ndarray, embeddings: np.ndarray
) -> list[float]:
    """Return 100 or 0 a query; one of which nothing was understood is a miss."""
    asked = [number for number, (text, _) in enumerate(said) if text.strip()]
    found = [0.0] * len(said)
    if asked:
        encoded = model.encode_text([said[number][0] for number in asked], [said[number][1] for number in asked])
        for number, rank in zip(asked, ranks_of_first_relevant(encoded @ embeddings.T, relevant[asked]), strict=True):
            found[number] = 100.0 if rank <= K else 0.0
    return found


def _row(hits: Mapping[str, Sequence[float]], right: Sequence[bool], positions: Sequence[int]) -> dict[str, Any]:
    row: dict[str, Any] = {
        way: round(float(np.mean([values[n] for n in positions])), 1) for way, values in hits.items()
    }
    return row | {
        "queries": len(positions),
        "guessed_right": round(float(np.mean([right[n] for n in positions])) * 100, 1),
    }


def _same(guess: str | None, language: str) -> bool:
    return guess is not None and languages.base(guess) == languages.base(language)
