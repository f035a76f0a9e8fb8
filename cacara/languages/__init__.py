"""Languages: codes and names, detection of a text's script and language, and what to expect of each."""

from cacara.languages.codes import (
    Detection,
    Direction,
    Language,
    base,
    describe,
    detect,
    direction_of,
    named,
    normalise,
    script_of,
)

__all__ = [
    "Detection",
    "Direction",
    "Language",
    "base",
    "describe",
    "detect",
    "direction_of",
    "named",
    "normalise",
    "script_of",
]
