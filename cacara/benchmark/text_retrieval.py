"""Cross-lingual text retrieval: a picture's English description, found by its description in another language.

Queries are the descriptions of the frozen benchmark of pictures in all languages but English, candidates its distinct
English ones, relevant are those of the query's concept. Measured twice: where texts are compared with texts
(``Cacara.text_space``), and where they lie beside sounds and pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cacara.benchmark.dataset.splits import Benchmark, Query
from cacara.benchmark.outcome import Outcome, is_other, outcome_of
from cacara.benchmark.retrieval import AS_THE_MODEL_HAS_IT, Measurement
from cacara.model.model import Cacara

DIRECTION = "text_to_text"
ENGLISH = "en"


def measure(model: Cacara, benchmark: Benchmark) -> list[Measurement]:
    """Return the outcomes in the text space, and in the space that is shared with sounds and pictures.

    Raises:
        ValueError: The benchmark has no English text, or none in another language.
    """
    queries = [query for query in benchmark.queries if is_other(query.language)]
    english: dict[str, set[str]] = {}
    for query in benchmark.queries:
        if query.language == ENGLISH:
            english.setdefault(query.text, set()).add(query.concept)
    if not (queries and english):
        raise ValueError(f"{len(queries)} texts ask for {len(english)} English ones; wanted one or more of each")
    asked = model.encode_text([query.text for query in queries], [query.language for query in queries])
    found = model.encode_text(list(english), ENGLISH)
    spaces = {"text space": (model.text_space(asked), model.text_space(found)), "shared space": (asked, found)}
    return [
        Measurement(
            f"{model.name}, {space}", AS_THE_MODEL_HAS_IT, {DIRECTION: _outcomes(rows @ columns.T, queries, english)}
        )
        for space, (rows, columns) in spaces.items()
    ]


def _outcomes(
    scores: NDArray[np.float32], queries: Sequence[Query], english: Mapping[str, set[str]]
) -> dict[str, Outcome]:
    """Return language → outcome of queries × English texts, which map to their concepts."""
    relevant = np.array([[query.concept in named for named in english.values()] for query in queries])
    concepts = ["/".join(sorted(named)) for named in english.values()]
    codes = np.array([query.language for query in queries])
    outcomes = {}
    for code in dict.fromkeys(codes.tolist()):
        rows = np.flatnonzero(codes == code).tolist()
        texts, asked = zip(*((queries[row].text, queries[row].concept) for row in rows), strict=True)
        outcomes[code] = outcome_of(scores[rows], relevant[rows], texts, asked, list(english), concepts)
    return outcomes
