"""The model card: one template that every method gives its lines to, and sections added to the card of a base."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cacara import sources
from cacara.galleries.manifest import Clip
from cacara.model.checkpoint import CARD
from cacara.model.config import ModelConfig

CALIBRATION = "Calibration"
"""Heading of the section on how likely a model's hits are right."""
POLICIES = {
    "strict": "No pair whose English side names a concept of the benchmark's test or dev split, by whatever name, and "
    "no string of the benchmark in any language.",
    "studio": "All lexicons, also words for the things of the benchmark; left out are the descriptions of test stamps "
    "and every string of the test split. Its words may be known from text; its test sounds and sentences are not.",
}
"""Texts that a text side may have seen, by the policy of ``training.data.translations``."""

_CARD = """\
---
license: {licence}
library_name: cacara-studio
tags: [audio, text-to-audio-retrieval, multilingual, cross-lingual]
---

# {name} {version}

{about}

{listed}

The licences of the packaged towers stand in the project's NOTICE.

## Made by

`python -m training {command} --recipe {recipe} --output runs/{name}` with seed {seed}{made_with}.

{sections}## Data

{data}

{clips}

## Licence of these weights

{licence_reason}

## Metrics

{metrics}

## Limits

{limits}
"""


@dataclasses.dataclass(frozen=True)
class Lines:
    """A method's account of a model that it made; Markdown without headings.

    Attributes:
        about: What the model is, in a paragraph.
        listed: Its towers, and what lies in its folder: an item each.
        command: Of ``python -m training``.
        recipe: The recipe's file.
        seed: Of the run.
        licence_reason: Why the weights have their licence.
        data: What it was trained on; a table of the clips follows.
        metrics: How it is measured.
        limits: What it cannot do.
        made_with: What the command needs beside its recipe; empty for nothing.
        sections: Heading → text of sections before that on the data.
    """

    about: str
    listed: Sequence[str]
    command: str
    recipe: str
    seed: int
    licence_reason: str
    data: str
    metrics: str
    limits: str
    made_with: str = ""
    sections: Mapping[str, str] = dataclasses.field(default_factory=dict)


def render(config: ModelConfig, lines: Lines, clips: Sequence[Clip]) -> str:
    """Return the card of a new model, Markdown.

    Args:
        config: The model's config.
        lines: What its method says.
        clips: The sounds that it was trained on.
    """
    given = {field.name: getattr(lines, field.name) for field in dataclasses.fields(lines)}
    return _CARD.format(
        **given
        | {
            "licence": config.licence.lower(),
            "name": config.name,
            "version": config.version,
            "listed": items(lines.listed),
            "sections": "".join(f"## {heading}\n\n{text}\n\n" for heading, text in lines.sections.items()),
            "clips": table(("source", "package", "clips", "licences of the clips"), _clip_rows(clips)),
        }
    )


def with_section(card: str, heading: str, *blocks: str) -> str:
    """Return a card with a section at its end; an older one of that heading goes, with what follows it.

    Args:
        card: Markdown.
        heading: Without the signs before it.
        blocks: Paragraphs, lists and tables.
    """
    before = card.split(f"\n## {heading}\n")[0].rstrip("\n")
    return f"{before}\n\n## {heading}\n\n" + "\n\n".join(blocks) + "\n"


def without_section(card: str, heading: str) -> str:
    """Return a card without the section of a heading; what follows it stays."""
    before, _, rest = card.partition(f"\n## {heading}\n")
    _, found, after = rest.partition("\n## ")
    return f"{before.rstrip()}\n" + (f"{found}{after}" if found else "")


def of_base(base: Path, config: ModelConfig, about: str | None = None) -> tuple[str, str]:
    """Return a base's card under a new model's name, and the base's name; what it says of its scores is left out.

    Args:
        base: The base's folder.
        config: The new model's config.
        about: Takes the place of the base's first paragraph; None leaves that.
    """
    head, _, rest = (base / CARD).read_text(encoding="utf-8").partition("\n# ")
    base_name = rest.split()[0]
    body = rest.split("\n", 1)[1].strip("\n")
    if about is not None:
        body = f"{about}\n\n{body.partition(chr(10) * 2)[2]}"
    body = without_section(body, CALIBRATION).strip("\n")
    body = body.replace(f"--model {base_name}`", f"--model {config.name}`")
    return f"{head}\n# {config.name} {config.version}\n\n{body}\n", base_name


def items(lines: Iterable[str]) -> str:
    """Return a list of Markdown."""
    return "\n".join(f"- {line}" for line in lines)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table of Markdown."""
    lines = [columns, *rows]
    drawn = [f"| {' | '.join(str(cell) for cell in line)} |" for line in lines]
    return "\n".join([drawn[0], "|" + "---|" * len(columns), *drawn[1:]])


def package_of(source: str) -> str:
    """Return the package of a source as a card names it."""
    row = sources.SOURCES.get(source)
    return f"{row.package} {row.version} ({row.client})" if row else "a folder of the user's"


def captions_of(clips: Iterable[Clip]) -> int:
    """Return how many English captions clips have."""
    return len({caption for clip in clips for caption in clip.captions["en"]})


def _clip_rows(clips: Sequence[Clip]) -> list[tuple[str, str, int, str]]:
    """Return a row for every source of the clips."""
    counts = sorted(Counter(clip.source for clip in clips).items())
    licences = {key: ", ".join(sorted({clip.licence for clip in clips if clip.source == key})) for key, _ in counts}
    return [(key, package_of(key), count, licences[key]) for key, count in counts]
