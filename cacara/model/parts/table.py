"""The table of a model's parts, in the order in which they act.

Texts: what acquirers read in place of the text tower, then centring, the text map, the lexical memory, the projectors
and the class profiles. Sounds and pictures: their head, then the projectors and the class profiles.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cacara.model.parts.acquirers import Acquirers
from cacara.model.parts.centring import LanguageCentring
from cacara.model.parts.head import AudioHead, ImageHead
from cacara.model.parts.lexical_memory import LexicalMemory
from cacara.model.parts.part import Part
from cacara.model.parts.profile import ClassProfile
from cacara.model.parts.projectors import Projectors
from cacara.model.parts.text_map import TextMap

if TYPE_CHECKING:
    from cacara.model.config import ModelConfig

PARTS: tuple[type[Part], ...] = (
    Acquirers,
    LanguageCentring,
    TextMap,
    LexicalMemory,
    AudioHead,
    ImageHead,
    Projectors,
    ClassProfile,
)
FOLDERS = tuple(kind.folder for kind in PARTS if kind.folder)
"""Folders that a model's folder may hold."""
VARIANTS = tuple(name for kind in PARTS for name in kind.variants)
"""Names of variants of a model, see ``Part.variant``."""


def parts_of(config: ModelConfig) -> tuple[type[Part], ...]:
    """Return the parts that a model of this config has, in order."""
    return tuple(kind for kind in PARTS if getattr(config, kind.field) not in (None, False))


def in_order(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Return parts in the order in which they act."""
    return tuple(sorted(parts, key=lambda part: PARTS.index(type(part))))
