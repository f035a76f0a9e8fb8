"""Clips and their captions, as values and as JSONL files."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cacara.errors import ManifestError
from cacara_files import atomic

KINDS = ("effect", "music", "speech", "image")
SPLITS = ("train", "dev", "dev-2", "test", "unseen")


@dataclasses.dataclass(frozen=True)
class Clip:
    """One sound, or one picture, of a gallery, a benchmark or a training set.

    Attributes:
        clip_id: Stable name, unique in its set, e.g. ``tuxpaint/animals/dog``.
        path: The audio file on this machine, or the picture if the kind is ``image``.
        sha256: Hash of that file's bytes, hex.
        captions: Language (BCP-47) to its texts, best first; several phrasings are allowed.
        concept: What sounds or is seen, as an English noun (``dog``), or None when nobody has said.
        source: The key of the source that holds the file, or the folder's name.
        licence: Licence of the file, as its source states it.
        kind: One of ``KINDS``.
        image_path: A picture of what sounds, if there is one; of a picture the picture itself.
        author: Author, if its source says so.
        recording: What stands for the recording that it was cut from, if its source says so: clips that share it were
            cut from one. A Freesound address, or a name unique in the source.
        split: One of ``SPLITS``, where that is known: whether the bundled models were trained on it (``train``), a
            benchmark measures with it, or neither (``unseen``).
    """

    clip_id: str
    path: Path
    sha256: str
    captions: Mapping[str, tuple[str, ...]]
    concept: str | None
    source: str
    licence: str
    kind: str = "effect"
    image_path: Path | None = None
    author: str | None = None
    recording: str | None = None
    split: str | None = None

    def caption(self, language: str | None = None) -> str:
        """Return the clip's text in ``language``, else its base language, else English, else any.

        A clip without any text answers with its concept, or its id as the last resort.
        """
        for code in (language, (language or "").split("-")[0], "en", *self.captions):
            texts = self.captions.get(code or "")
            if texts:
                return texts[0]
        return self.concept or self.clip_id

    def to_json(self) -> dict[str, object]:
        """Return a JSON-ready dict, the inverse of ``from_json``."""
        return {
            "clip_id": self.clip_id,
            "path": str(self.path),
            "sha256": self.sha256,
            "captions": {language: list(texts) for language, texts in sorted(self.captions.items())},
            "concept": self.concept,
            "source": self.source,
            "licence": self.licence,
            "kind": self.kind,
            "image_path": str(self.image_path) if self.image_path else None,
            **({"author": self.author} if self.author else {}),
            **({"recording": self.recording} if self.recording else {}),
            **({"split": self.split} if self.split else {}),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, object]) -> Clip:
        """Build a clip from ``to_json``'s dict.

        Raises:
            ManifestError: A field is missing, unknown, or of the wrong type.
        """
        if not isinstance(row, Mapping):
            raise ManifestError(f"a clip is {row!r:.80}; wanted an object of fields")
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(row) - known):
            raise ManifestError(f"clip has unknown fields {unknown}; wanted {sorted(known)}")
        if missing := sorted(known - set(row) - {"kind", "image_path", "author", "recording", "split"}):
            raise ManifestError(f"clip lacks the fields {missing}")
        captions = row["captions"]
        if not isinstance(captions, dict) or not all(isinstance(texts, list) for texts in captions.values()):
            raise ManifestError(f"captions must map a language to a list of texts, found {captions!r:.80}")
        image = row.get("image_path")
        concept = row["concept"]
        return cls(
            clip_id=str(row["clip_id"]),
            path=Path(str(row["path"])),
            sha256=str(row["sha256"]),
            captions={language: tuple(map(str, texts)) for language, texts in captions.items()},
            concept=None if concept is None else str(concept),
            source=str(row["source"]),
            licence=str(row["licence"]),
            kind=str(row.get("kind", "effect")),
            image_path=Path(str(image)) if image else None,
            author=str(row["author"]) if row.get("author") else None,
            recording=str(row["recording"]) if row.get("recording") else None,
            split=str(row["split"]) if row.get("split") else None,
        )


def read_clips(path: Path) -> list[Clip]:
    """Return the clips of a JSONL file, one a line.

    Raises:
        ManifestError: The file cannot be read, or a line is malformed (its number is named).
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"cannot read the manifest {path}: {error}") from error
    clips = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            clips.append(Clip.from_json(json.loads(line)))
        except (ValueError, RecursionError, ManifestError) as error:
            raise ManifestError(f"{path}, line {number}: {error}") from error
    return clips


def write_clips(clips: Iterable[Clip], path: Path) -> None:
    """Write clips as JSONL."""
    # A path may hold bytes that are no UTF-8, which Python keeps as surrogates: JSON can spell them, UTF-8 cannot.
    replaced = atomic.replacing(path)
    with replaced as partial, partial.open("w", encoding="utf-8", errors="backslashreplace") as file:
        for clip in clips:
            file.write(json.dumps(clip.to_json(), ensure_ascii=False, sort_keys=True) + "\n")


def find_problems(clips: Sequence[Clip]) -> list[str]:
    """Return every problem of a list of clips, each with the clip's id; an empty list means sound."""
    problems = []
    seen: dict[str, int] = {}
    for position, clip in enumerate(clips):
        if clip.clip_id in seen:
            problems.append(f"{clip.clip_id}: rows {seen[clip.clip_id]} and {position} share this id")
        seen[clip.clip_id] = position
        if clip.kind not in KINDS:
            problems.append(f"{clip.clip_id}: kind {clip.kind!r}, wanted one of {KINDS}")
        if len(clip.sha256) != 64 or set(clip.sha256) - set("0123456789abcdef"):
            problems.append(f"{clip.clip_id}: sha256 {clip.sha256!r:.80} is not 64 hex digits")
        problems.extend(
            f"{clip.clip_id}: empty caption in {language!r}"
            for language, texts in clip.captions.items()
            if not texts or any(not text.strip() for text in texts)
        )
        if not os.path.isfile(clip.path):  # Path.is_file raises on a name that is too long
            problems.append(f"{clip.clip_id}: no file at {clip.path}")
    return problems
