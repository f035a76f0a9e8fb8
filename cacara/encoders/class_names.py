"""Names of an audio tower's classes, such as AudioSet's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cacara.encoders.audio import AudioTower
from cacara.sources.converters import yamnet

CLASS_NAMES: Mapping[str, Callable[[], list[str]]] = {"yamnet": lambda: yamnet.class_names(yamnet.prepare())}
"""The class names of audio backbones that keep them beside their weights; others have them in the network."""


def names_of(backbone: str, tower: AudioTower) -> list[str]:
    """Return the class names of a tower, in the order of its outputs; none when it knows no classes."""
    return CLASS_NAMES[backbone]() if backbone in CLASS_NAMES else list(tower.network.class_names)
