"""A lexicon's table: fingerprints of words and phrases with their languages, and the numbers of their English senses.

No string of another language is stored. A folder holds::

    lexicon.json        languages, policy bits, counts, how it was made
    vocabulary.xz       the English senses, one a line
    COLUMN.xz           one column of the entries each, byte planes compressed by LZMA

Entries are sorted by fingerprint, then by language, so that one search finds a word in all languages. Two words of one
language that share a fingerprint cannot be told apart; with 32 bits that happens a handful of times in millions, and
the builder counts it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import lzma
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cacara.errors import LexiconError
from cacara_files.atomic import replacing

BUNDLED = Path(__file__).parent.parent / "bundled" / "lexicon"
"""The table that ships with the package."""
FORMAT_VERSION = 1
HEADER, VOCABULARY = "lexicon.json", "vocabulary.xz"
COLUMNS = ("gaps", "languages", "counts", "senses", "weights")
MAX_FILE_BYTES = 10_000_000
"""Size of a file that hosts of repositories accept without extra tools, in bytes."""
SENSES = 3
"""Senses of an entry at most."""
MAX_WEIGHT = 15
STRICT_BIT = 0x80
"""Set in a sense's stored weight where the policy ``strict`` lets a model see it, too."""
POLICIES = ("studio", "strict")
_PRESET = 6


@dataclasses.dataclass(frozen=True, eq=False)
class LexiconTable:
    """A lexicon in memory; arrays are read-only, so models share one.

    Attributes:
        vocabulary: The English senses, the commonest first.
        languages: Base languages, sorted.
        fingerprints: uint32 [entries], ascending.
        entry_languages: uint16 [entries], positions in ``languages``, ascending within a fingerprint.
        senses: uint16 [entries, SENSES], positions in ``vocabulary``, the surest first.
        weights: uint8 [entries, SENSES], 1 to ``MAX_WEIGHT``: how far sources agree; 0 where there is no sense.
        strict: bool [entries, SENSES]: whether the policy ``strict`` allows a sense.
        facts: What the builder says of it: sources, counts, collisions.
    """

    vocabulary: tuple[str, ...]
    languages: tuple[str, ...]
    fingerprints: NDArray[np.uint32]
    entry_languages: NDArray[np.uint16]
    senses: NDArray[np.uint16]
    weights: NDArray[np.uint8]
    strict: NDArray[np.bool_]
    facts: Mapping[str, Any]

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self.fingerprints)

    def find(self, keys: Sequence[str]) -> list[range]:
        """Return for each key the rows of the languages that know it; see ``word_forms.key`` for what a key is."""
        prints = np.array([fingerprint(key) for key in keys], np.uint32)
        starts = self.fingerprints.searchsorted(prints, "left")
        ends = self.fingerprints.searchsorted(prints, "right")
        return [range(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]

    def under(self, policy: str) -> LexiconTable:
        """Return the table as a policy lets a model see it.

        Raises:
            LexiconError: There is no such policy.
        """
        if policy not in POLICIES:
            raise LexiconError(f"unknown policy {policy!r:.40}; wanted one of {', '.join(POLICIES)}")
        if policy == "studio":
            return self
        return dataclasses.replace(self, weights=_read_only(np.where(self.strict, self.weights, np.uint8(0))))

    def words(self, policy: str) -> Mapping[str, int]:
        """Return how many words and phrases of each language a policy lets a model see; empty where nobody counted."""
        return self.facts.get("words" if policy == "studio" else "words_strict", {})


def fingerprint(key: str) -> int:
    """Return the 32-bit fingerprint of a key."""
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "little")


def write(folder: Path, table: LexiconTable) -> None:
    """Write a table as a folder, which is replaced if it is there.

    Raises:
        LexiconError: A file would be larger than ``MAX_FILE_BYTES``, or cannot be written.
    """
    counts = (table.weights > 0).sum(axis=1).astype(np.uint8)
    filled = np.arange(SENSES) < counts[:, None]
    columns: dict[str, NDArray[Any]] = {
        "gaps": np.diff(table.fingerprints, prepend=np.uint32(0)),
        "languages": table.entry_languages,
        "counts": counts,
        "senses": table.senses[filled],
        "weights": table.weights[filled] | np.where(table.strict[filled], np.uint8(STRICT_BIT), np.uint8(0)),
    }
    header = {
        "format_version": FORMAT_VERSION,
        "entries": len(table),
        "senses": int(counts.sum()),
        "languages": list(table.languages),
        "facts": dict(table.facts),
    }
    files = {f"{name}.xz": lzma.compress(_planes(column), preset=_PRESET) for name, column in columns.items()}
    files[VOCABULARY] = lzma.compress("\n".join(table.vocabulary).encode(), preset=_PRESET)
    files[HEADER] = (json.dumps(header, ensure_ascii=False, indent=1) + "\n").encode()
    if large := [
        f"{name} ({len(content):,} bytes)" for name, content in files.items() if len(content) > MAX_FILE_BYTES
    ]:
        raise LexiconError(f"{', '.join(large)} would be too large; wanted at most {MAX_FILE_BYTES:,} bytes a file")
    try:
        with replacing(folder) as partial:
            partial.mkdir()
            for name, content in files.items():
                (partial / name).write_bytes(content)
    except OSError as error:
        raise LexiconError(f"the lexicon {folder} cannot be written: {error}") from error


def count_words(folder: Path = BUNDLED, policy: str = "studio") -> Mapping[str, int]:
    """Return how many words and phrases of each language a lexicon has, without reading it; empty where there is none.

    Raises:
        LexiconError: Its header is damaged.
    """
    if not (folder / HEADER).is_file():
        return {}
    try:
        facts = json.loads((folder / HEADER).read_text(encoding="utf-8"))["facts"]
        return dict(facts["words" if policy == "studio" else "words_strict"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise LexiconError(f"the lexicon {folder} cannot be read: {error}") from error


@functools.lru_cache(maxsize=2)
def read(folder: Path) -> LexiconTable:
    """Return the table of a folder; read once, as all models share it.

    Raises:
        LexiconError: A file is missing or damaged, or of another format version.
    """
    try:
        header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        if header["format_version"] != FORMAT_VERSION:
            raise LexiconError(
                f"{folder / HEADER}: format_version is {header['format_version']!r}; wanted {FORMAT_VERSION}"
            )
        entries, languages = int(header["entries"]), tuple(header["languages"])
        vocabulary = tuple(lzma.decompress((folder / VOCABULARY).read_bytes()).decode().split("\n"))
        gaps = _column(folder, "gaps", np.uint32, entries)
        of_languages = _column(folder, "languages", np.uint16, entries)
        counts = _column(folder, "counts", np.uint8, entries)
        senses = _column(folder, "senses", np.uint16, int(header["senses"]))
        weights = _column(folder, "weights", np.uint8, int(header["senses"]))
        facts = dict(header["facts"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, lzma.LZMAError) as error:
        raise LexiconError(f"the lexicon {folder} cannot be read: {error}") from error
    if counts.sum(dtype=np.int64) != len(senses) or counts.max(initial=0) > SENSES:
        raise LexiconError(f"the lexicon {folder} is damaged: its counts do not fit its senses")
    if senses.max(initial=0) >= len(vocabulary) or of_languages.max(initial=0) >= len(languages):
        raise LexiconError(f"the lexicon {folder} is damaged: it names senses or languages that it does not list")
    filled = np.arange(SENSES) < counts[:, None]
    return LexiconTable(
        vocabulary,
        languages,
        _read_only(np.cumsum(gaps, dtype=np.uint32)),
        _read_only(of_languages),
        _read_only(_spread(filled, senses)),
        _read_only(_spread(filled, weights & MAX_WEIGHT)),
        _read_only(_spread(filled, (weights & STRICT_BIT) > 0)),
        facts,
    )


def _planes(column: NDArray[Any]) -> bytes:
    """Return a column byte by byte of its numbers, which compresses best: all lowest bytes, then all next ones."""
    little = np.ascontiguousarray(column, column.dtype.newbyteorder("<"))
    return little.view(np.uint8).reshape(len(column), column.dtype.itemsize).T.tobytes()


def _column(folder: Path, name: str, kind: type[np.unsignedinteger], length: int) -> NDArray[Any]:
    planes = np.frombuffer(lzma.decompress((folder / f"{name}.xz").read_bytes()), np.uint8)
    size = np.dtype(kind).itemsize
    if len(planes) != length * size:
        raise ValueError(f"{name}.xz holds {len(planes):,} bytes; wanted {length * size:,}")
    little = np.ascontiguousarray(planes.reshape(size, length).T).view(np.dtype(kind).newbyteorder("<"))
    return little.reshape(length).astype(kind)


def _spread(filled: NDArray[np.bool_], values: NDArray[Any]) -> NDArray[Any]:
    spread = np.zeros(filled.shape, values.dtype)
    spread[filled] = values
    return spread


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array
