"""Embed a folder of any size: in pieces, resumably, by several processes or machines, in memory that does not grow.

The files are listed once, in pieces of ``FILES_A_PIECE``; later runs append what is new or changed, so a piece never
changes. Each process embeds every n-th piece and writes it whole. Whatever is killed, only pieces under way are lost,
and however many processes take part, the same pieces with the same embeddings lie there at the end.
"""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cacara.errors import AudioError, GalleryError
from cacara.media import audio
from cacara.media.formats import SOUNDS
from cacara.model.model import CLIPS_AT_ONCE, Cacara
from cacara.sources.clients import Progress, Report, silent
from cacara_files import atomic

FILES_A_PIECE = 64
LISTING = "files.jsonl"


@dataclasses.dataclass(frozen=True)
class Piece:
    """A few files that are embedded together.

    Attributes:
        number: From 0 on.
        files: Their paths below the folder, with ``/``.
    """

    number: int
    files: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class PieceResult:
    """Outcome of embedding a piece.

    Attributes:
        ids: The files that could be read.
        embeddings: float32 [files, dimension], L2-normalised.
        skipped: ``file: reason`` of the others.
    """

    ids: tuple[str, ...]
    embeddings: np.ndarray
    skipped: tuple[str, ...]


def list_folder(folder: Path, work: Path) -> int:
    """Bring the listing up to date and return how many pieces it has; one process does it, before the others read.

    Args:
        folder: The sounds, in folders below it too.
        work: Where the listing and the pieces are kept.

    Raises:
        GalleryError: There is no such folder, or no sound in it.
    """
    if not folder.is_dir():
        raise GalleryError(f"no folder {folder}; wanted a folder of sounds")
    work.mkdir(parents=True, exist_ok=True)
    known: dict[str, list[int]] = {}
    count = 0
    for row in _listed(work):
        known[row["file"]], count = row["state"], max(count, row["piece"] + 1)
    fresh = [(name, state) for name, state in _sounds(folder) if known.get(name) != state]
    if not known and not fresh:
        raise GalleryError(f"{folder} holds no sounds; wanted files such as .wav, .flac, .mp3, .ogg, .m4a or .webm")
    if fresh:
        with atomic.replacing(work / LISTING) as partial, partial.open("w", encoding="utf-8") as file:
            for row in _listed(work):
                file.write(json.dumps(row) + "\n")
            for position, (name, state) in enumerate(fresh):
                piece = count + position // FILES_A_PIECE
                file.write(json.dumps({"file": name, "state": state, "piece": piece}) + "\n")
        count += -(-len(fresh) // FILES_A_PIECE)
    return count


def embed_folder(
    model: Cacara, folder: Path, work: Path, process: int = 0, processes: int = 1, report: Report = silent
) -> None:
    """Embed this process's share of the listed pieces; those that lie there already are left.

    Args:
        model: The model; each has its own pieces.
        folder: As ``list_folder`` was given it.
        work: Likewise.
        process: This process's number, from 0.
        processes: How many share the work.
        report: Told of the progress.
    """
    kept = pieces_folder(work, model)
    kept.mkdir(parents=True, exist_ok=True)
    total = 1 + max((row["piece"] for row in _listed(work)), default=-1)
    for piece in pieces(work):
        path = _path(kept, piece.number)
        if piece.number % processes != process or path.is_file():
            continue
        report(Progress(folder.name, "embed", piece.number / total))
        _write(path, _embed(model, folder, piece))
    report(Progress(folder.name, "ready", 1.0))


def pieces(work: Path) -> Iterator[Piece]:
    """Yield the listed pieces, one in memory at a time."""
    number = 0
    files: list[str] = []
    for row in _listed(work):
        if row["piece"] != number:
            if files:
                yield Piece(number, tuple(files))
            number, files = row["piece"], []
        files.append(row["file"])
    if files:
        yield Piece(number, tuple(files))


def read(model: Cacara, work: Path, number: int) -> PieceResult:
    """Return an embedded piece.

    Raises:
        GalleryError: It is missing or damaged; the message says what to do.
    """
    path = _path(pieces_folder(work, model), number)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            embeddings = stored["embeddings"]
            return PieceResult(tuple(stored["ids"].tolist()), embeddings, tuple(stored["skipped"].tolist()))
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile) as error:
        raise GalleryError(f"{path} cannot be read ({error!s:.100}); delete it and run again") from error


def pieces_folder(work: Path, model: Cacara) -> Path:
    """Return where a model's pieces are kept."""
    return work / f"{model.name}-{model.fingerprint}"


def _embed(model: Cacara, folder: Path, piece: Piece) -> PieceResult:
    ids: list[str] = []
    skipped: list[str] = []
    embeddings = [np.zeros((0, model.dimension), np.float32)]
    for start in range(0, len(piece.files), CLIPS_AT_ONCE):
        waveforms = []
        for name in piece.files[start : start + CLIPS_AT_ONCE]:
            try:
                waveforms.append(audio.load(folder / name, audio.GALLERY_LIMITS).waveform)
            except (AudioError, OSError) as error:
                skipped.append(f"{name}: {error}")
                continue
            ids.append(name)
        embeddings.append(model.encode_audio(waveforms))
    return PieceResult(tuple(ids), np.concatenate(embeddings), tuple(skipped))


def _write(path: Path, piece: PieceResult) -> None:
    with atomic.replacing(path) as partial, partial.open("wb") as file:
        np.savez(
            file,
            ids=np.array(piece.ids, dtype=np.str_),
            embeddings=piece.embeddings,
            skipped=np.array(piece.skipped, dtype=np.str_),
        )


def _path(folder: Path, number: int) -> Path:
    return folder / f"piece-{number:07d}.npz"


def _listed(work: Path) -> Iterator[dict]:
    if not (work / LISTING).is_file():
        return
    with (work / LISTING).open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise GalleryError(
                    f"{work / LISTING}, line {number} is damaged; delete {work} and run again"
                ) from error


def _sounds(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """Yield the sounds below a folder in a fixed order, with size and time of change."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if Path(name).suffix.lower() in SOUNDS:
                path = Path(root, name)
                state = path.stat()
                yield path.relative_to(folder).as_posix(), [state.st_size, state.st_mtime_ns]
