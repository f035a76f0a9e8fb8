"""One text query from its letters to ten hits, against sentence-transformers on the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.speed.timing import Row, Size, interleaved, milliseconds, percentile, ratio

QUERIES = (
    "der Hund bellt",
    "mbwa",
    "개",
    "a bell rings twice",
    "lluvia sobre un techo",
    "مطر",
    "un train qui passe",
    "蜂",
)
TOP = 10


def measure(size: Size) -> Iterator[Row]:
    """Yield the whole query, then each of its stages, then what another precision would give."""
    import torch
    from sentence_transformers import SentenceTransformer

    from cacara.encoders import text
    from cacara.model import checkpoint
    from cacara.search.index import ExactIndex, unit_rows

    model = checkpoint.load("cacara", "cpu")
    rng = np.random.default_rng(0)
    names = [str(row) for row in range(size.gallery)]
    rows = unit_rows(rng.standard_normal((size.gallery, model.dimension), dtype=np.float32), "rows")
    index = ExactIndex(names, rows)
    # The others' embeddings are those of the text encoder, without class profiles, and so are what they search.
    vectors = np.ascontiguousarray(rows[:, : model.config.text_width])
    place = text.place_of(model.config.text.backbone)

    # A plain folder becomes the encoder and a mean over tokens; left alone, it keeps the dtype of the weights' file.
    default = SentenceTransformer(place, device="cpu")
    equal = SentenceTransformer(place, device="cpu", model_kwargs={"dtype": torch.float32})
    number = [0]

    def next_query() -> str:
        number[0] += 1
        return f"{QUERIES[number[0] % len(QUERIES)]} {number[0]}"  # never one that is remembered

    def ours() -> Any:  # noqa: ANN401
        return index.search(model.encode_text([next_query()], "de"), TOP)

    def theirs(encoder: SentenceTransformer) -> Callable[[], Any]:
        def run() -> np.ndarray:
            prefixed = model.config.text.prefix + next_query()
            query = encoder.encode([prefixed], normalize_embeddings=True, show_progress_bar=False)[0]
            scores = vectors @ query.astype(np.float32)
            best = np.argpartition(-scores, TOP)[:TOP]
            return best[np.argsort(-scores[best])]

        return run

    works = {"ours": ours, "sentence-transformers": theirs(default), "… in float32": theirs(equal)}
    seconds = interleaved(works, size.rounds * 4)
    dtype = str(next(default.parameters()).dtype).removeprefix("torch.")
    for other, goal in (("sentence-transformers", 2.0), ("… in float32", 1.2)):
        times = ratio(seconds, other, "ours")
        label = f"sentence-transformers {dtype if other == 'sentence-transformers' else 'float32'}"
        told = f"{label} {milliseconds(seconds[other])}"
        work = f"text query among {size.gallery:,}, p50 / p95"
        yield Row(work, milliseconds(seconds["ours"]), told, times, f"≥ {goal}×", times >= goal, {"seconds": seconds})
    yield from _stages(model, index, next_query, size.rounds * 4)
    yield _overlap(model, index, rows)


def _stages(model: Any, index: Any, next_query: Callable[[], str], rounds: int) -> Iterator[Row]:  # noqa: ANN401
    import torch

    from cacara.model.parts.part import TextBatch

    tokens = model.text.tokenize(["der Hund bellt 17"])
    with torch.inference_mode():
        raw = model.text.read(**tokens)

    def place() -> Any:  # noqa: ANN401
        batch = TextBatch(raw, ["der Hund bellt 17"], ["de"], True)
        for part in model.parts:
            batch = part.texts(batch)
        return batch.embeddings

    with torch.inference_mode():
        placed = place().numpy()

    def encode() -> None:
        with torch.inference_mode():
            model.text.read(**tokens)

    def project() -> None:
        with torch.inference_mode():
            place()

    works = {
        "tokenise": lambda: model.text.tokenize([next_query()]),
        "encode": encode,
        "project": project,
        "search": lambda: index.search(placed, TOP),
    }
    seconds = interleaved(works, rounds)
    whole = sum(percentile(values, 0.5) for values in seconds.values())
    for name, values in seconds.items():
        share = f"{percentile(values, 0.5) / whole:.0%} of the query"
        yield Row(f"… {name}, p50 / p95", milliseconds(values), share, None, "", None, {"seconds": values})


def _overlap(model: Any, index: Any, rows: np.ndarray) -> Row:  # noqa: ANN401
    """Return how many of ten hits an answer shares with float64 arithmetic on the same embedding."""
    embeddings = model.encode_text(list(QUERIES), "de")
    found = index.search(embeddings, TOP)[1]
    exact = np.argsort(-(embeddings.astype(np.float64) @ rows.astype(np.float64).T), axis=1)[:, :TOP]
    shared = float(np.mean([len(set(one) & set(other)) / TOP for one, other in zip(found, exact, strict=True)]))
    work = f"top-{TOP} overlap with double precision, precision {model.precision}"
    return Row(work, f"{shared:.3f}", "–", None, "≥ 0.99", shared >= 0.99, {"overlap": shared})
