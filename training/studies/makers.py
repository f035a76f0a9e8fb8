"""Makers of cells: what a variant of a study is made by, and measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cacara.benchmark.dataset.splits import SOUNDS
from cacara.model import training_facts
from cacara.model.parts.acquirer_files import AcquirerFile
from training import recipe as recipes
from training.loop import LoopOptions
from training.mla import distillation, teaching
from training.mla import transfer as language_transfer
from training.mla.acquisition import LanguageAcquisitionOptions, StageOptions
from training.run_folder import RunError
from training.studies import simulated_feedback
from training.studies.cells import Cell, Context
from training.studies.dictionary import freedict

RECIPES = Path(__file__).parents[1] / "recipes"


def recipe_path(recipe: str) -> Path:
    """Return the file of a recipe that is named relative to ``training/recipes``."""
    return RECIPES / recipe


def training(
    context: Context,
    command: str,
    recipe: str,
    options: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    seed_option: str | None = None,
) -> Cell:
    """Return a model that a command trains by a recipe, with some options changed.

    Args:
        context: The cell's.
        command: Of ``python -m training``; it leaves its model in ``final``.
        recipe: Its file, relative to ``training/recipes``.
        options: Dotted name of an option → its value.
        flags: Further flags of the command, such as ``base``.
        seed_option: The option that gets the seed; without it the variant is made once.

    Raises:
        RunError: The command failed.
    """
    changed = dict(options or {}) | ({seed_option: context.seed} if seed_option else {})
    given = {f"options.{name}": value for name, value in changed.items()} | dict(flags or {})
    arguments = [command, "--recipe", str(recipe_path(recipe)), "--output", str(context.folder)]
    arguments += [f"--{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in given.items()]
    if code := context.perform(arguments):
        raise RunError(f"{command} in {context.folder} ended with exit code {code}")
    model = context.dev.load(context.folder / recipes.FINAL)
    facts = training_facts.trained_parameters(context.folder / recipes.FINAL)
    return Cell(context.dev.ask(model), {"parameters": facts["texts"]})


def model(context: Context, model: str, name_pictures: bool = False) -> Cell:
    """Return a model as it is, ``NAME_OR_FOLDER[:VARIANT]``, perhaps with pictures sorted by translated names."""
    return Cell(context.dev.ask(context.dev.load(model), name_pictures=name_pictures))


def dictionary(context: Context, model: str, phrases: bool = False) -> Cell:
    """Return a model that is asked in English, by a dictionary's translation of each text.

    Args:
        context: The cell's.
        model: As of ``model``.
        phrases: Whether a text that the dictionary does not know as a whole is translated phrase by phrase.
    """
    english, known = context.dev.load(model), freedict()

    def embed(texts: Sequence[str], code: str) -> NDArray[np.float32]:
        as_it_is = known.by_phrases if phrases else lambda text, language: text
        return english.encode_text([known.translate(text, code) or as_it_is(text, code) for text in texts], "en")

    return Cell(context.dev.ask(english, embed))


def distilled(context: Context, recipe: str, whole: bool, flags: Mapping[str, Any] | None = None) -> Cell:
    """Return MKD: a multilingual encoder brought to where an English one puts the same texts, with a recipe's pairs.

    Args:
        context: The cell's.
        recipe: Of ``language_acquisition``, whose first stage says how long; relative to ``training/recipes``.
        whole: Whether the encoder's layers learn too, not its head alone.
        flags: ``base``, in place of the recipe's.
    """
    options, base = recipes.options(recipe_path(recipe), LanguageAcquisitionOptions)
    english = context.dev.load((flags or {}).get("base", base))
    embed, parameters = distillation.train(options, english, whole, context.folder, SOUNDS)
    return Cell(context.dev.ask(english, embed), {"parameters": parameters})


def lessons(context: Context, model: str, languages: Sequence[str], pairs: int) -> Cell:
    """Return a model that was taught each language, as ``--add-language`` does it, from so many pairs of lexicons.

    Args:
        context: The cell's.
        model: One with acquirers, which reads none of the languages.
        languages: BCP-47 codes.
        pairs: Drawn by the seed; a larger number holds the smaller one's. 0 leaves the model as it is.
    """
    learner = context.dev.load(model)
    acquirers = teaching.acquirers_of(learner)
    if known := sorted(set(acquirers.languages) & set(languages)):
        raise RunError(f"{learner.name} reads {', '.join(known)} already; wanted languages that it does not")
    length = (StageOptions("nlt", LoopOptions()),)
    described = ("lessons", "1", "", "strict", tuple(languages), length)
    options = LanguageAcquisitionOptions(*described, vocabulary=4000)  # type: ignore[arg-type]
    found = language_transfer.pairs_of(options, learner, SOUNDS)
    english = sorted({pair.english for own in found.values() for pair in own})
    targets = torch.from_numpy(language_transfer.english_targets(learner.text, english)).to(learner.device)
    try:
        for code in languages if pairs else ():
            own = drawn(code, [(pair.english, pair.text) for pair in found[code]], pairs, context.seed)
            told = (code, own, [1.0] * len(own), english, targets, learner, context.seed)
            tensors = teaching.train_acquirers(*told, tell=lambda stage, fraction, message: None)
            acquirers.add(AcquirerFile(code, acquirers.space, pairs, tensors))
        return Cell(context.dev.ask(learner))
    finally:
        for code in set(languages) & set(acquirers.languages):
            acquirers.remove(code)


def drawn(language: str, pairs: Sequence[tuple[str, str]], count: int, seed: int) -> list[tuple[str, str]]:
    """Return so many pairs by a seed; a larger count of that seed has them too.

    Raises:
        RunError: There are not as many.
    """
    different = sorted(set(pairs))
    if len(different) < count:
        raise RunError(f"{language} has {len(different)} pairs; wanted {count} or more")
    order = np.random.default_rng([seed, 7]).permutation(len(different))
    return [different[row] for row in order[:count]]


MAKERS: Mapping[str, Callable[..., Cell]] = {
    "training": training,
    "model": model,
    "dictionary": dictionary,
    "distilled": distilled,
    "lessons": lessons,
    "feedback": simulated_feedback.make,
}
FIXED = frozenset({"model", "dictionary"})
"""Makers of what is not random."""
