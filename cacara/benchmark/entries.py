"""The models of a comparison: named on the command line, loaded, grouped by seeds, their towers shared."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cacara.errors import CheckpointError
from cacara.model import checkpoint, seen_texts
from cacara.model.model import Cacara
from cacara.model.parts.table import VARIANTS
from cacara.model.seen_texts import SeenTexts
from cacara.sources.clients import Report, silent

UNTRAINED = ("untrained", "anchor")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One model as it was asked for.

    Attributes:
        given: As on the command line.
        name: The model's own name with the variant after it, or the label given before ``=``; entries that share it
            are seeds of one model.
        folder: Folder of the model.
        variant: One of ``cacara.model.parts.table.VARIANTS``, or None for the whole model.
    """

    given: str
    name: str
    folder: Path
    variant: str | None


def parse(given: Sequence[str]) -> list[Entry]:
    """Return the entries that ``[LABEL=]MODEL[:VARIANT]`` stand for, without loading any.

    ``MODEL`` is a bundled model's name or a model folder, ``VARIANT`` one of ``VARIANTS``.

    Raises:
        CheckpointError: There is no such model or variant, or one is given twice.
    """
    entries = [_parse(text) for text in given]
    if not entries:
        raise CheckpointError("no model to compare; wanted one or more names or folders")
    seen: dict[tuple[Path, str | None], str] = {}
    for entry in entries:
        place = entry.folder.resolve(), entry.variant
        if place in seen:
            raise CheckpointError(f"{entry.given!r} is the same model as {seen[place]!r}; wanted each once")
        seen[place] = entry.given
    return entries


def load(entries: Sequence[Entry], device: str = "auto", report: Report = silent) -> list[Cacara]:
    """Return the models of entries, in their order; towers of equal weights are one in memory.

    Raises:
        CheckpointError: A folder is damaged.
        DeviceError: No such device.
        SourceError: A backbone's weights cannot be fetched.
    """
    whole: dict[Path, Cacara] = {}
    for entry in entries:
        if entry.folder not in whole:
            model = checkpoint.load(entry.folder, device, report=report)
            for earlier in whole.values():
                model.share_towers(earlier)
            whole[entry.folder] = model
    return [_variant(whole[entry.folder], entry) for entry in entries]


def seen_by(entries: Sequence[Entry]) -> SeenTexts | None:
    """Return what the seeds of one model saw together, or None if one of them does not say.

    The ``untrained`` variant, and the ``anchor`` alone, have not been trained on any caption, whatever its folder says.

    Raises:
        CheckpointError: A folder's statement is malformed.
    """
    found = []
    for entry in entries:
        seen = seen_texts.read(entry.folder)
        if seen is None:
            return None
        found.append(dataclasses.replace(seen, concepts=frozenset()) if entry.variant in UNTRAINED else seen)
    return dataclasses.replace(
        found[0],
        concepts=frozenset().union(*(seen.concepts for seen in found)),
        texts=frozenset().union(*(seen.texts for seen in found)),
    )


def grouped(entries: Sequence[Entry]) -> Mapping[str, list[int]]:
    """Return name → positions of its seeds, in the order of the first of each."""
    groups: dict[str, list[int]] = {}
    for position, entry in enumerate(entries):
        groups.setdefault(entry.name, []).append(position)
    return groups


def _parse(given: str) -> Entry:
    # A folder's name may hold either sign: what exists as it stands is taken as it stands.
    label, has_label, rest = given.partition("=")
    if not has_label or Path(given).exists():
        label, rest = "", given
    place, has_variant, variant = rest.rpartition(":")
    if not has_variant or Path(rest).exists():
        place, variant = rest, ""
    if label and not re.fullmatch(r"[\w.+ -]+", label):
        raise CheckpointError(
            f"the label {label!r:.80} is unfit; wanted letters, digits, spaces, '_', '.', '+' and '-'"
        )
    if variant and variant not in VARIANTS:
        raise CheckpointError(f"{given!r}: there is no variant {variant!r}; wanted one of {', '.join(VARIANTS)}")
    folder = checkpoint.find(place)
    name = label or checkpoint.read_config(folder).name + (f":{variant}" if variant else "")
    return Entry(given, name, folder, variant or None)


def _variant(model: Cacara, entry: Entry) -> Cacara:
    if entry.variant in (*UNTRAINED, "projection") and not model.audio.classes:
        raise CheckpointError(f"{entry.given!r}: its audio tower has no classes, so there is no anchor to tell apart")
    return model.variant(entry.variant) if entry.variant else model
