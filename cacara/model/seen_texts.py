"""Benchmark texts that a model saw in training: a file in its folder, by which reports separate seen from unseen.

Sounds of the benchmark are never trained on. What a model may have met is words: an audio training on other
sounds may name a benchmark concept ("a dog barks"), and a text training may hold a benchmark string verbatim.
Only what concerns the benchmark is written, as concepts and as ``sources.texts.text_hash`` of strings, so the file
is small and holds no text of others::

    {"format_version": 1, "benchmark": "3d197a92c307", "concepts": ["dog"], "texts": ["<16 hex>"]}
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from cacara.errors import CheckpointError
from cacara.model import side_files
from cacara.sources.texts import text_hash

SEEN = "seen.json"


@dataclasses.dataclass(frozen=True)
class SeenTexts:
    """Benchmark texts seen by one model.

    Attributes:
        benchmark: ``benchmark_hash`` of the benchmark that it was compared with.
        concepts: Benchmark concepts that a caption of its audio training names.
        texts: ``text_hash`` of the benchmark texts, of both splits, that stand in its text training.
    """

    benchmark: str
    concepts: frozenset[str]
    texts: frozenset[str]

    def holds_text(self, text: str) -> bool:
        """Return whether a text of the benchmark stood verbatim in the text training."""
        return text_hash(text) in self.texts

    def to_json(self) -> dict[str, object]:
        """Return a JSON-ready dict, sorted: the same training gives the same bytes."""
        return {
            "format_version": side_files.FORMAT_VERSION,
            "benchmark": self.benchmark,
            "concepts": sorted(self.concepts),
            "texts": sorted(self.texts),
        }

    @classmethod
    def from_json(cls, content: object) -> SeenTexts:
        """Build it from ``to_json``'s dict.

        Raises:
            CheckpointError: Another format version, or a field is missing, unknown or of the wrong type.
        """
        content = side_files.checked(content, ("benchmark", "concepts", "texts"))
        concepts, texts = (_strings(content[name], name) for name in ("concepts", "texts"))
        if wrong := [text for text in texts if not re.fullmatch("[0-9a-f]{16}", text)]:
            raise CheckpointError(f"texts holds {wrong[0]!r:.80}; wanted hashes of 16 hex digits")
        return cls(str(content["benchmark"]), frozenset(concepts), frozenset(texts))


def read(folder: Path) -> SeenTexts | None:
    """Return what the model of a folder saw, or None if the folder does not say.

    Raises:
        CheckpointError: The file cannot be read or is malformed.
    """
    return side_files.read(folder / SEEN, SeenTexts.from_json)


def _strings(value: object, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CheckpointError(f"{name} is {value!r:.80}; wanted a list of strings")
    return value
