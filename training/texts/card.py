"""What a model's card says of its trained text side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from cacara import sources
from cacara.model.checkpoint import CARD
from cacara.model.config import ModelConfig
from training.data.translations import COMPOSED, Translation

if TYPE_CHECKING:
    from training.texts.alignment import TextAlignmentOptions

HEADING = "## Text side"
POLICIES = {
    "strict": "No pair whose English side names a concept of the benchmark's test or dev split, by whatever name, and "
    "no string of the benchmark in any language.",
    "studio": "All lexicons, also words for the things of the benchmark; left out are the descriptions of test stamps "
    "and every string of the test split. Its words may be known from text; its test sounds and sentences are not.",
}

_TEXT = """\
{heading}

- **In this folder**: low-rank updates (rank {rank}, {parameters:,} parameters, half precision) of the text encoder,
  merged when the model is loaded. Sounds and pictures are those of `{base}`, bit by bit; what is said of its frozen
  text tower and of its languages' centres above does not hold here: all languages share the centre of English.
- **What text it saw** (policy `{policy}`): {seen}

`{command}` with seed {seed}, on {pairs}
translations in {languages} languages of {english} English texts. The target of each is where the frozen encoder puts
its English text{captions}; no sound or picture took part.

| source | licence of the package | pairs |
|---|---|---|
{table}
"""


def render(
    base: Path,
    config: ModelConfig,
    options: TextAlignmentOptions,
    pairs: Sequence[Translation],
    captions: int,
    updates: Mapping[str, Tensor],
) -> str:
    """Return the base's card under the new name, with a section on the text side at its end.

    Args:
        base: The folder of the model whose text side was trained.
        config: The new model's config.
        options: What it was trained with.
        pairs: What it was trained on.
        captions: How many English captions of sounds had to stay where they are.
        updates: The trained part.
    """
    head, base_name = _base_card(base, config)
    run = f"--recipe {options.recipe} --base {base_name} --output runs/{options.name}"
    counts = sorted(Counter(pair.source for pair in pairs).items())
    section = _TEXT.format(
        heading=HEADING,
        command=f"python -m training text_alignment {run}",
        rank=options.rank,
        parameters=sum(value.numel() for value in updates.values()),
        base=base_name,
        policy=options.policy,
        seen=POLICIES[options.policy],
        seed=options.loop.seed,
        pairs=len(pairs),
        languages=len({pair.language for pair in pairs}),
        english=len({pair.english for pair in pairs}),
        captions=f", and {captions:,} of AudioCaps' English captions (MIT) stay where it puts them" if captions else "",
        table="\n".join(f"| {key} | {_licence(key)} | {count} |" for key, count in counts),
    )
    return f"{head}\n\n{section}"


def _base_card(base: Path, config: ModelConfig) -> tuple[str, str]:
    """Return the base's card under the new name, without a section on its text side, and the base's name."""
    title, _, rest = (base / CARD).read_text(encoding="utf-8").partition("\n# ")
    base_name = rest.split()[0]
    body = rest.split("\n", 1)[1].split(f"\n{HEADING}\n")[0].rstrip("\n")
    body = body.replace(f"--model {base_name}`", f"--model {config.name}`")
    return f"{title}\n# {config.name} {config.version}\n{body}", base_name


def _licence(source: str) -> str:
    return "as the others: two of their words each" if source == COMPOSED else sources.source(source).licence
