"""File names → what sounds: the tables in ``rules/`` and how they are read.

``rules/concepts.tsv`` lists every concept with its kind and its phrasings. ``rules/<source>.tsv`` lists
file patterns of one package, the concept they stand for, and phrasings of their own. The first rule that
matches a file decides; a file that none matches is left out, and so is one whose concept is ``-``.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from cacara.errors import ManifestError

TABLES = Path(__file__).parent / "rules"
LEFT_OUT = "-"
MAX_CAPTIONS = 4


@dataclasses.dataclass(frozen=True)
class Concept:
    """A concept and its caption.

    Attributes:
        name: An English noun, the same in all packages.
        kind: ``effect`` or ``music``.
        phrasings: English captions, best first, the plainest last.
    """

    name: str
    kind: str
    phrasings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Rule:
    """One line of a package's table.

    Attributes:
        patterns: Shell patterns. With a ``/`` they are matched against the end of the path without
            suffix, otherwise against the file's stem.
        concept: The concept's name, or ``LEFT_OUT``.
        phrasings: Captions that say more than the concept's; they come first.
    """

    patterns: tuple[str, ...]
    concept: str
    phrasings: tuple[str, ...]

    def matches(self, relative: str) -> bool:
        """Return whether ``relative``, a path with ``/`` below the package's root, is meant."""
        path = PurePosixPath(relative)
        whole = f"/{path.with_suffix('')}"
        return any(
            fnmatch.fnmatchcase(whole, f"*/{pattern}") if "/" in pattern else fnmatch.fnmatchcase(path.stem, pattern)
            for pattern in self.patterns
        )


def load_concepts(tables: Path = TABLES) -> Mapping[str, Concept]:
    """Return the concepts by name.

    Raises:
        ManifestError: A line is malformed, or a name stands twice.
    """
    concepts: dict[str, Concept] = {}
    for where, (name, kind, phrasings) in read_table(tables / "concepts.tsv", columns=3):
        if name in concepts or kind not in ("effect", "music"):
            raise ManifestError(f"{where}: concept {name!r} of kind {kind!r}; wanted a new name, effect or music")
        concepts[name] = Concept(name, kind, _split(phrasings))
    return concepts


def load_rules(key: str, concepts: Mapping[str, Concept], tables: Path = TABLES) -> tuple[Rule, ...]:
    """Return the rules of the package ``key``, in the order of its table.

    Raises:
        ManifestError: There is no table, a line is malformed, or it names an unknown concept.
    """
    rules = []
    for where, (patterns, concept, phrasings) in read_table(tables / f"{key}.tsv", columns=3):
        if concept not in concepts and concept != LEFT_OUT:
            raise ManifestError(f"{where}: concept {concept!r} is not in concepts.tsv")
        rules.append(Rule(tuple(patterns.split()), concept, _split(phrasings)))
    return tuple(rules)


def concept_of(relative: str, rules: Sequence[Rule]) -> Rule | None:
    """Return the first rule that matches ``relative`` and names a concept, or None."""
    for rule in rules:
        if rule.matches(relative):
            return None if rule.concept == LEFT_OUT else rule
    return None


def captions(rule: Rule, concept: Concept) -> tuple[str, ...]:
    """Return up to ``MAX_CAPTIONS`` phrasings: the rule's, then the concept's, its plainest always last."""
    *fuller, plainest = concept.phrasings
    chosen = [phrase for phrase in dict.fromkeys((*rule.phrasings, *fuller)) if phrase != plainest]
    return (*chosen[: MAX_CAPTIONS - 1], plainest)


def read_table(path: Path, columns: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (place for messages, cells) of each line of a tab-separated table; ``#`` begins a comment line.

    Missing cells at the end of a line are empty.

    Raises:
        ManifestError: The table is missing, or a line has fewer than two or more than ``columns`` cells.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ManifestError(f"no table of rules {path}: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if not 2 <= len(cells) <= columns:
            raise ManifestError(f"{path.name}, line {number}: {len(cells)} cells, wanted 2 to {columns}")
        yield f"{path.name}, line {number}", tuple(cells + [""] * (columns - len(cells)))


def _split(phrasings: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in phrasings.split(";") if phrase.strip())
