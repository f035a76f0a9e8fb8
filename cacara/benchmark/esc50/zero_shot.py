"""Zero-shot classification and retrieval over clips in folds whose classes are named in several languages.

Per language: ``zero_shot``, a clip's class is that whose name lies nearest; ``text_to_audio``, a class's name asks for
its clips among all; ``audio_to_text``, a clip asks for its class's name among those of the language, so that its R@1
and R@5 are the classification's top 1 and top 5. ``all_languages``: a clip asks for its class's names among those of
all languages together. An interval comes from leaving out one fold in turn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cacara.benchmark.outcome import is_other
from cacara.metrics import (
    chance_recall_at_k,
    jackknife_interval,
    mean_average_precision_at_k,
    ranks_of_first_relevant,
    recall_at_k,
)
from cacara.search.classification import Labels, TextEncoder, class_embeddings

DEPTHS = (1, 5, 10)
WRITTEN, LEXICON = "written", "lexicon"
Figures = Mapping[str, float]


@dataclasses.dataclass(frozen=True, eq=False)
class FoldedClips:
    """Embedded clips.

    Attributes:
        embeddings: float32 ``[clips, D]``, L2-normalised.
        targets: int64 ``[clips]``, the position of each clip's class in ``classes``.
        folds: int64 ``[clips]``, the fold of each clip, two folds or more.
        classes: The labels.
    """

    embeddings: NDArray[np.float32]
    targets: NDArray[np.int64]
    folds: NDArray[np.int64]
    classes: tuple[str, ...]


def measure(encoder: TextEncoder, clips: FoldedClips, written: Labels, lexicon: Labels | None = None) -> dict[str, Any]:
    """Return the JSON-ready figures of one model, percentages throughout.

    Args:
        encoder: The model that made ``clips.embeddings``.
        clips: The clips.
        written: Names that people wrote for this benchmark; each language names every class.
        lexicon: Further names, found in a lexicon, likewise; a language that ``written`` has is left out.

    Raises:
        ValueError: A language does not name every class.
    """
    names = {**(lexicon.names if lexicon else {}), **written.names}
    origins = {code: WRITTEN if code in written.names else LEXICON for code in names}
    scores = {code: _scores(encoder, clips, found, code) for code, found in names.items()}
    replicates = {code: _replicates(_figures, matrix, clips) for code, matrix in scores.items()}
    together = _replicates(_figures_of_all, np.concatenate(list(scores.values()), axis=1), clips)
    groups = {
        "english": [code for code in scores if code == "en"],
        "mean_other": [code for code in scores if is_other(code) and origins[code] == WRITTEN],
        "mean_lexicon": [code for code in scores if is_other(code) and origins[code] == LEXICON],
    }
    return {
        "languages": {code: {"names": origins[code], **_nested(found)} for code, found in replicates.items()},
        "summary": {name: _mean([replicates[code] for code in codes]) for name, codes in groups.items()},
        "all_languages": {"languages": len(scores), **_nested(together)["audio_to_texts"]},
        "chance": _chance(clips),
    }


def _scores(
    encoder: TextEncoder, clips: FoldedClips, names: Mapping[str, tuple[str, ...]], language: str
) -> NDArray[np.float32]:
    """Return the cosines of clips and the classes as a language names them, float32 ``[clips, classes]``."""
    if set(names) != set(clips.classes):
        raise ValueError(f"{language} names {len(names)} classes; wanted the {len(clips.classes)} of the clips")
    return clips.embeddings @ class_embeddings(encoder, {label: names[label] for label in clips.classes}, language).T


def _figures(scores: NDArray[np.float32], targets: NDArray[np.int64], classes: int) -> Figures:
    """Return the figures of one language.

    Args:
        scores: float32 ``[clips, classes]``.
        targets: int64 ``[clips]``.
        classes: Their number.
    """
    right = targets[:, None] == np.arange(classes)[None, :]
    ranks = ranks_of_first_relevant(scores, right)
    asked = ranks_of_first_relevant(scores.T, right.T)
    return {
        "zero_shot.top_1": recall_at_k(ranks, 1),
        "zero_shot.top_5": recall_at_k(ranks, 5),
        "text_to_audio.map_at_10": mean_average_precision_at_k(scores.T, right.T, 10),
        **{f"text_to_audio.recall_at_{depth}": recall_at_k(asked, depth) for depth in DEPTHS},
        **{f"audio_to_text.recall_at_{depth}": recall_at_k(ranks, depth) for depth in DEPTHS},
        "audio_to_text.mean_reciprocal_rank": float(100.0 * np.mean(1.0 / ranks)),
    }


def _figures_of_all(scores: NDArray[np.float32], targets: NDArray[np.int64], classes: int) -> Figures:
    """Return the figures of clips that ask among the names of all languages.

    Args:
        scores: float32 ``[clips, languages × classes]``, a language after the other.
        targets: int64 ``[clips]``.
        classes: Their number.
    """
    right = targets[:, None] == (np.arange(scores.shape[1]) % classes)[None, :]
    ranks = ranks_of_first_relevant(scores, right)
    return {
        "audio_to_texts.map_at_10": mean_average_precision_at_k(scores, right, 10),
        **{f"audio_to_texts.recall_at_{depth}": recall_at_k(ranks, depth) for depth in DEPTHS},
    }


def _replicates(
    figures: Callable[[NDArray[np.float32], NDArray[np.int64], int], Figures],
    scores: NDArray[np.float32],
    clips: FoldedClips,
) -> list[Figures]:
    """Return the figures of all clips, then those without each fold; ``scores`` is ``[clips, candidates]``."""
    everything = np.ones(len(clips.folds), dtype=bool)
    kept = [everything, *(clips.folds != fold for fold in np.unique(clips.folds))]
    return [figures(scores[chosen], clips.targets[chosen], len(clips.classes)) for chosen in kept]


def _mean(languages: Sequence[Sequence[Figures]]) -> dict[str, Any] | None:
    """Return the mean of several languages' figures; one fold is left out of all languages at once."""
    if not languages:
        return None
    names = languages[0][0]
    means: list[Figures] = [
        {name: float(np.mean([figures[name] for figures in replicate])) for name in names}
        for replicate in zip(*languages, strict=True)
    ]
    return {"languages": len(languages), **_nested(means)}


def _nested(replicates: Sequence[Figures]) -> dict[str, dict[str, Any]]:
    """Return task → figure → value, with ``ci95_`` and its interval beside each."""
    whole, *without = replicates
    found: dict[str, dict[str, Any]] = {}
    for name, value in whole.items():
        task, figure = name.split(".")
        interval = jackknife_interval(value, [figures[name] for figures in without])
        found.setdefault(task, {})[figure] = round(value, 4)
        found[task][f"ci95_{figure}"] = [round(bound, 4) for bound in interval]
    return found


def _chance(clips: FoldedClips) -> dict[str, float]:
    right = clips.targets[:, None] == np.arange(len(clips.classes))[None, :]
    asked = {f"text_to_audio.recall_at_{depth}": chance_recall_at_k(right.T, depth) for depth in DEPTHS}
    top = {f"zero_shot.top_{depth}": chance_recall_at_k(right, depth) for depth in (1, 5)}
    return {name: round(value, 4) for name, value in {**top, **asked}.items()}
