"""What the parts of MLA are worth, beside other ways to read other languages: one material, one schedule, dev alone.

Every way reads the same dev texts for the same sounds and pictures. The ways that train have the same pairs, steps
and batch; the second stage of two-stage ones is added to the first, as in the paper. One seed: the intervals are over
concepts, not over trainings.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cacara import files
from training.mla.acquisition import LanguageAcquisitionOptions, Stage
from training.run_folder import RunError
from training.studies import mla_dictionary, mla_tuning
from training.studies import mla_probe as probe
from training.studies import mla_ways as ways
from training.studies.mla_ways import StudyMaterial, Way

REPORT = "study.md"
REFERENCE = "nlt"
"""Others are told by how much they are above it."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Variant:
    """One row.

    Attributes:
        name: Of its file and of ``--only``.
        said: What a person reads.
        make: Makes it.
    """

    name: str
    said: str
    make: Way


def _acquired(name: str, said: str, *stages: Stage, table: bool = False, **changes: Any) -> Variant:  # noqa: ANN401
    family = name if changes or table else "plain"
    make = functools.partial(ways.acquired, name=family, stages=stages, changes=changes, table=table)
    return Variant(name, said, make)


VARIANTS: Mapping[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("base", "the base: MiniLM itself", ways.native),
        _acquired("nlt", "MLA, NLT", "nlt"),
        _acquired("nlt-le", "MLA, NLT → LE", "nlt", "le"),
        _acquired("nlt-joint", "MLA, NLT → NLT + LE", "nlt", "joint"),
        _acquired("le", "MLA, LE", "le"),
        _acquired("joint", "MLA, NLT + LE at once", "joint"),
        _acquired("no-acquirers", "NLT, `W_e` without acquirers", "nlt", bottleneck=0),
        _acquired("random-embedding", "NLT, embedding of random numbers", "nlt", pretrained_embedding=False),
        _acquired("squared-error", "NLT, the paper's loss alone", "nlt", softmax_weight=0.0),
        _acquired("trained-table", "NLT, the embedding learns too", "nlt", table=True),
        Variant("tuned-en", "NLT, then heads on English", functools.partial(mla_tuning.tuned, everything=False)),
        Variant(
            "tuned-all",
            "NLT, then heads and acquirers on all",
            functools.partial(mla_tuning.tuned, everything=True),
        ),
        Variant("mkd-head", "MKD, a head behind the frozen encoder", functools.partial(ways.distilled, whole=False)),
        Variant("mkd-whole", "MKD, head and encoder", functools.partial(ways.distilled, whole=True)),
        Variant("dictionary", "dictionary, then the base", functools.partial(mla_dictionary.translated, words=False)),
        Variant(
            "dictionary-words",
            "the same, phrase by phrase",
            functools.partial(mla_dictionary.translated, words=True),
        ),
    )
}


def run(
    options: LanguageAcquisitionOptions,
    base: str | Path,
    output: Path,
    sounds: Path,
    pictures: Path,
    only: Sequence[str] = (),
) -> Path:
    """Make and ask every variant and write ``study.md``; variants whose file is there are not done again.

    Args:
        options: Of the ways that train; its two stages are the length of a first and of a second stage.
        base: The English dual encoder: name or folder.
        output: Holds ``NAME.json`` of each variant, ``study.md`` and the trainings.
        sounds: The frozen benchmark of sounds, whose dev split is asked.
        pictures: The frozen benchmark of pictures, whose dev split is asked.
        only: Names of ``VARIANTS``; all when empty.

    Raises:
        RunError: A name is unknown, the options have not two stages, or ``output`` holds another study.
        SourceError: A package cannot be fetched.
        ManifestError: A benchmark cannot be read, or a language has no pairs.
        CheckpointError: ``base`` is no model.
    """
    if unknown := [name for name in only if name not in VARIANTS]:
        raise RunError(f"unknown variant {unknown[0]!r:.60}; wanted one of {', '.join(VARIANTS)}")
    if len(options.stages) != 2:
        raise RunError(f"{len(options.stages)} stages; wanted two: how long a first and a second stage are")
    world = StudyMaterial(options, base, sounds, pictures)
    record = world.record(options)
    output.mkdir(parents=True, exist_ok=True)
    done = {name: row for name in VARIANTS if (row := read(output / f"{name}.json", record))}
    for name in only or VARIANTS:
        if name not in done:
            done[name] = _measured(VARIANTS[name], world, output / "trainings", record)
            files.write_text(output / f"{name}.json", json.dumps(done[name], ensure_ascii=False) + "\n")
        _tell(name, done[name])
    files.write_text(output / REPORT, table({name: done[name] for name in VARIANTS if name in done}))
    return output / REPORT


def read(path: Path, record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a file holds of an earlier run; None if there is no such file.

    Raises:
        RunError: It is of another study, or cannot be read.
    """
    if not path.is_file():
        return None
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        same = row["record"] == record
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read ({error}); delete it") from error
    if not same:
        raise RunError(f"{path} was measured with other options; name another folder, or delete this one")
    return row


def _measured(variant: Variant, world: StudyMaterial, folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    made = variant.make(world, folder)
    rows = probe.ask(made.sides or world.sides, made.embed)
    return {
        "variant": variant.name,
        "parameters": made.parameters,
        "seconds": made.seconds,
        "material": made.material,
        "figures": {side: probe.figures(own) for side, own in rows.items()},
        "rows": rows,
        "record": record,
    }


def _tell(name: str, row: Mapping[str, Any]) -> None:
    said = {side: {key: own[key]["mean"] for key in ("R@1", "R@10", "AR")} for side, own in row["figures"].items()}
    log.info("%s: %s, %d parameters, %.0f s", name, said, row["parameters"], row["seconds"])


def table(done: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a Markdown table a side: recalls, AR with its interval, and AR against ``REFERENCE``, paired.

    Args:
        done: Name of a variant to what was measured.
    """
    parts = []
    for side in sorted({side for row in done.values() for side in row["figures"]}, reverse=True):
        lines = [
            f"| text → {side[:-1]} | R@1 / 5 / 10 | AR (95 %) | AR against {REFERENCE} | trained | core s |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_line(VARIANTS[name], row, side, done.get(REFERENCE)) for name, row in done.items()]
        parts.append("\n".join(lines) + "\n")
    material = [f"- {VARIANTS[name].said}: {row['material']}" for name, row in done.items() if row["parameters"]]
    return "\n".join([*parts, *material, ""])


def _line(variant: Variant, row: Mapping[str, Any], side: str, reference: Mapping[str, Any] | None) -> str:
    found = row["figures"][side]
    recalls = " / ".join(f"{found[f'R@{depth}']['mean']:.1f}" for depth in (1, 5, 10))
    cells = [variant.said, recalls, interval(found["AR"]["mean"], found["AR"]["ci95"]), "–"]
    if reference is not None and row["variant"] != reference["variant"]:
        change = probe.average_recall(row["rows"][side]).minus(probe.average_recall(reference["rows"][side]))
        cells[3] = interval(change.difference, (change.lower, change.upper), signed=True)
    trained = [f"{row['parameters']:,}", f"{row['seconds']:.0f}"] if row["parameters"] else ["0", "–"]
    return f"| {' | '.join([*cells, *trained])} |"


def interval(mean: float, bounds: Sequence[float], *, signed: bool = False) -> str:
    """Return a figure with its interval for a table, e.g. ``+1.2 (-0.4 to +2.8)``."""
    form = "+.1f" if signed else ".1f"
    return f"{mean:{form}} ({bounds[0]:{form}} to {bounds[1]:{form}})"
