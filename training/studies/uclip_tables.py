"""What uCLIP's models reach on the dev split, side by side: one table of ablations, with intervals."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cacara import sources
from cacara.benchmark import entries, image_benchmark, sound_benchmark, sound_retrieval
from cacara.benchmark.figures import figures, mean_hits, rounded
from cacara.benchmark.image_benchmark import ImageBenchmark
from cacara.benchmark.image_retrieval import Sight
from cacara.benchmark.outcome import INTERVAL_DEPTH, Outcome, Outcomes, is_other
from cacara.benchmark.significance import holm, paired_difference
from cacara.benchmark.sound_benchmark import Benchmark
from cacara.media import audio, images
from cacara.model import text_cache
from cacara.model.model import Cacara

FIVE = ("cs", "fi", "hr", "hu", "ro")
"""The paper's languages."""
TEN = ("sw", "am", "zu", "km", "eu", "is", "cy", "ga", "yo", "sq")
"""Languages with fewer resources."""
SOUNDS, PICTURES = "text_to_audio", "text_to_image"

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Group:
    """The seeds of one model.

    Attributes:
        name: What was changed.
        runs: The outcomes of each seed.
    """

    name: str
    runs: tuple[Outcomes, ...]

    def of(self, direction: str, languages: Sequence[str]) -> list[Mapping[str, Outcome]]:
        """Return the outcomes of a direction in those of ``languages`` that it was asked in, one a seed."""
        return [{code: run[direction][code] for code in languages if code in run[direction]} for run in self.runs]


def measure(folders: Mapping[str, Sequence[Path]], sounds: Path, pictures: Path) -> list[Group]:
    """Return how models find the sounds and pictures of dev by text, the language given.

    Args:
        folders: Name → the model folders of its seeds.
        sounds: The frozen benchmark of sounds.
        pictures: The frozen benchmark of pictures; only models that see are asked for them.

    Raises:
        SourceError: A package cannot be fetched.
        CheckpointError: A model cannot be loaded.
    """
    asked = entries.parse([str(folder) for several in folders.values() for folder in several])
    models = entries.load(asked, "cpu", lambda progress: log.info("%s", progress))
    heard_of, waveforms = read_sounds(sounds)
    seen_of, seen = _pictures(pictures, next((model for model in models if model.sees), None))
    texts = [query.text for query in (*heard_of.queries, *(seen_of.queries if seen_of else ()))]
    towers = list({id(model.text): model for model in models}.values())
    for model in towers:
        text_cache.recall(model, texts)
    heard: dict[int, Any] = {}
    outcomes = []
    for model in models:
        found = _outcomes(entries.SharedModel(model, heard), heard_of, waveforms)
        if seen_of is not None and model.sees:
            placeholders = [np.zeros(0, np.float32)] * len(seen_of.images)
            as_sounds = Benchmark(seen_of.name, seen_of.hash, seen_of.split, seen_of.images, seen_of.queries)
            found[PICTURES] = _outcomes(Sight(model, seen), as_sounds, placeholders)[SOUNDS]
        outcomes.append(found)
        log.info("%s: measured %d of %d", model.name, len(outcomes), len(models))
    for model in towers:
        text_cache.keep(model, texts)
    made = iter(outcomes)
    return [Group(name, tuple(next(made) for _ in several)) for name, several in folders.items()]


def _outcomes(system: sound_retrieval.System, split: Benchmark, waveforms: Sequence[np.ndarray]) -> dict[str, Any]:
    modes = [sound_retrieval.AS_THE_MODEL_HAS_IT]
    return dict(sound_retrieval.measure({"it": system}, split, waveforms, modes=modes)[0].outcomes)


def read_sounds(path: Path) -> tuple[Benchmark, list[np.ndarray]]:
    """Return the dev split of a benchmark of sounds, fetched, and its waveforms, float32 mono ``[samples]`` each."""
    folders = sources.fetch_all(sorted(sound_benchmark.required_sources(path, "dev")))
    split = sound_benchmark.load(path, "dev", folders)
    return split, [audio.load(clip.path, audio.GALLERY_LIMITS).waveform for clip in split.clips]


def _pictures(path: Path, model: Cacara | None) -> tuple[ImageBenchmark | None, tuple[torch.Tensor, torch.Tensor]]:
    """Return dev's pictures and what the image tower makes of them, once for all models: they share it, frozen."""
    if model is None or model.image is None:
        return None, (torch.zeros(0), torch.zeros(0))
    keys = {row.source for row in image_benchmark.read(path).images}
    split = image_benchmark.load(path, "dev", sources.fetch_all(sorted(keys)))
    pixels = [images.load(picture.path, images.GALLERY_LIMITS) for picture in split.images]
    with torch.inference_mode():
        parts = [model.image(pixels[start : start + 16]) for start in range(0, len(pixels), 16)]
    return split, (torch.cat([features for features, _ in parts]), torch.cat([classes for _, classes in parts]))


def tabulate(groups: Sequence[Group], languages: Sequence[str] = ()) -> dict[str, Any]:
    """Return the JSON-ready table, all models against the first, in percent.

    Args:
        groups: The models.
        languages: What the others are; all but English when empty, by the first part of a code otherwise.
    """
    rows = []
    for group in groups:
        row: dict[str, Any] = {"name": group.name, "seeds": len(group.runs)}
        for direction in (SOUNDS, PICTURES):
            if all(direction in run for run in group.runs):
                row[direction] = _row(group, groups[0], direction, languages)
        rows.append(row)
    for direction in (SOUNDS, PICTURES):
        tested = [row[direction]["against_first"] for row in rows[1:] if direction in row]
        for found, p in zip(tested, holm([found["p"] for found in tested]), strict=True):
            found["p_holm"] = round(float(p), 6)
    return {"languages": sorted(languages), "rows": rows}


def _row(group: Group, first: Group, direction: str, languages: Sequence[str]) -> dict[str, Any]:
    there = [code for code in group.runs[0][direction] if is_other(code)]
    others = [code for code in there if not languages or code.split("-")[0] in languages]
    parts = {"english": ["en"], "five": list(FIVE), "ten": list(TEN), "others": others}
    found: dict[str, Any] = {"count": len(others)}
    for name, codes in parts.items():
        runs = group.of(direction, codes)
        found[name] = figures(runs) if runs[0] else None
    ours, theirs = group.of(direction, others), first.of(direction, others)
    concepts = [concept for outcome in ours[0].values() for concept in outcome.concepts]
    spoken = [code for code, outcome in ours[0].items() for _ in outcome.concepts]
    before, after = mean_hits(theirs, INTERVAL_DEPTH), mean_hits(ours, INTERVAL_DEPTH)
    difference = paired_difference(before, after, concepts, spoken)
    found["against_first"] = {
        "difference": rounded(difference.difference),
        "ci95": [rounded(difference.lower), rounded(difference.upper)],
        "p": round(difference.p, 6),
    }
    return found


def to_markdown(table: Mapping[str, Any]) -> str:
    """Return a table of ``tabulate`` as Markdown."""
    return "\n".join(_lines(table)) + "\n"


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    of = f"those of {', '.join(table['languages'])}" if table["languages"] else "others"
    yield (
        f"| | seeds | English R@1 / 5 / 10 | five | ten | {of} R@1 / 5 / 10 | their R@10, 95 % | against the first, "
        "95 %, p (Holm) | pictures: English R@10, others', against the first |"
    )
    yield "|---" * 9 + "|"
    for row in table["rows"]:
        sounds, pictures = row[SOUNDS], row.get(PICTURES)
        cells = [row["name"], str(row["seeds"])]
        cells += [_recalls(sounds[name]) for name in ("english", "five", "ten", "others")]
        cells += ["{:.1f}–{:.1f}".format(*sounds["others"]["ci95_recall_at_10"]), _difference(sounds)]
        shown = "–" if pictures is None else f"{_at_ten(pictures['english'])}, {_at_ten(pictures['others'])}"
        cells.append(shown if pictures is None else f"{shown}, {_difference(pictures)}")
        yield f"| {' | '.join(cells)} |"


def _recalls(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "–"
    spread = f" ± {found['std_recall_at_10']:.1f}" if "std_recall_at_10" in found else ""
    return " / ".join(f"{found[f'recall_at_{depth}']:.1f}" for depth in (1, 5, 10)) + spread


def _at_ten(found: Mapping[str, Any] | None) -> str:
    return "–" if found is None else f"{found['recall_at_10']:.1f}"


def _difference(found: Mapping[str, Any]) -> str:
    against = found["against_first"]
    if "p_holm" not in against:
        return "–"
    lower, upper = against["ci95"]
    return f"{against['difference']:+.1f} ({lower:+.1f} to {upper:+.1f}), {against['p_holm']:.3f}"
