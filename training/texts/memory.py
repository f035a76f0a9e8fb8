"""Giving a model a lexical memory: its config names the lexicon, and all its weights stay as they are, byte by byte."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from cacara.lexicon import table as lexicon_table
from cacara.model import checkpoint, seen_texts
from cacara.model.config import LexicalMemoryConfig, ModelConfig
from training import card as model_card
from training.recipe import FINAL

HEADING = "Lexical memory"
POLICIES = {
    "strict": "no sense that names a concept of sounds-v1, images-v1, dev-2 or ESC-50, by whatever name,\n"
    "and no entry that is a string of theirs",
    "studio": "every sense; left out are entries that are, as they stand, strings of a test split or\n"
    "unseen texts of dev-2",
}
_WHAT = """\
Words of a text that a lexicon knows are mixed into its embedding by what they mean in English; English texts stay as
they are. The lexicon is no part of this folder: models share it. Of its {words:,} words and phrases of {languages}
languages this model sees what the policy `{policy}` allows: {told}.
It holds fingerprints of words and the numbers of {vocabulary:,} English senses, whose embeddings the model's own text
side makes when it is set up. Without it: `{name}:unlexical`."""
_HOW = """\
{share} of the embedding is what the words mean where all of a text is known, times the share of known words, times how
far their senses agree; a text of more than {reach} words in a language that the encoder was trained on keeps more of
its own. Chosen on dev and dev-2."""
_MADE = """\
`python -m training lexical_memory --recipe {recipe} --base {base} --output runs/{name}`;
`python -m training lexicon` makes the lexicon, whose sources and licences stand in the project's NOTICE."""


@dataclasses.dataclass(frozen=True)
class LexicalMemoryOptions:
    """A model with a lexical memory.

    Attributes:
        name: Of the model.
        version: Of the model.
        recipe: The recipe's file, named in the card.
        memory: The memory.
    """

    name: str
    version: str
    recipe: str
    memory: LexicalMemoryConfig


def give(base: str, folder: Path, options: LexicalMemoryOptions) -> Path:
    """Write a model that is another one with a lexical memory, and return its folder.

    Args:
        base: The other model's name or folder; a memory that it has is replaced.
        folder: The run's folder, in whose ``final`` the model goes.
        options: The memory.

    Raises:
        CheckpointError: ``base`` is no model, or is uCLIP's, whose texts leave the text space before words are mixed
            in; or the folder cannot be written.
        LexiconError: The lexicon is missing or damaged.
    """
    origin = checkpoint.find(base)
    before = checkpoint.read_config(origin)
    config = dataclasses.replace(before, name=options.name, version=options.version, memory=options.memory)
    place = options.memory.lexicon
    table = lexicon_table.read(lexicon_table.BUNDLED if place == "bundled" else Path(place))
    seen = seen_texts.read(origin)
    if seen is not None and options.memory.policy == "studio":
        seen = dataclasses.replace(seen, texts=seen.texts | frozenset(table.facts.get("benchmark_texts", ())))
    card = _card(origin, config, options, table)
    checkpoint.save(folder / FINAL, config, [], card, base=origin, seen=seen, storage="shared")
    return folder / FINAL


def _card(origin: Path, config: ModelConfig, options: LexicalMemoryOptions, table: lexicon_table.LexiconTable) -> str:
    """Return the base's card under the new name, with a section on the memory at its end."""
    card, base = model_card.of_base(origin, config)
    memory = options.memory
    what = _WHAT.format(
        words=sum(table.words("studio").values()),
        languages=len(table.languages),
        policy=memory.policy,
        told=POLICIES[memory.policy],
        vocabulary=len(table.vocabulary),
        name=config.name,
    )
    how = _HOW.format(share=memory.share, reach=memory.reach)
    made = _MADE.format(recipe=options.recipe, base=base, name=config.name)
    return model_card.with_section(card, HEADING, what, how, made)
