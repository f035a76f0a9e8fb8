"""Folders of captioned sounds that a user has: AudioCaps (Kim et al. 2019) and Clotho (Drossos et al. 2020).

Neither can be fetched here; who has them names the table of captions and the folder of sounds in a recipe.
"""

from __future__ import annotations

import csv
import dataclasses
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from cacara import sources
from cacara.benchmark.dataset import benchmark_file
from cacara.errors import ManifestError
from cacara.galleries.manifest import Clip
from cacara.media.formats import SOUNDS
from training.run_folder import RunError

Layout = Literal["audiocaps", "clotho"]
CLOTHO_CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))
SHOWN = 5

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class CaptionedFolder:
    """Location of a set of sounds and of its English captions.

    Attributes:
        name: Of the set, for clip ids and the model card: letters, digits, ``_``, ``.`` and ``-``.
        layout: ``audiocaps`` (audiocap_id, youtube_id, start_time, caption) or ``clotho`` (file_name, caption_1 to 5).
        captions: The table, CSV with a line of column names.
        sounds: The folder of its sounds.
        licence: Of the sounds.
    """

    name: str
    layout: Layout
    captions: str
    sounds: str
    licence: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]+", self.name):
            raise RunError(f"folders.name is {self.name!r:.80}; wanted letters, digits, '_', '.' and '-'")
        if self.name in sources.SOURCES:
            raise RunError(f"folders.name is {self.name!r}, which is a package's; wanted another")
        if self.layout not in get_args(Layout):
            raise RunError(f"folders.layout is {self.layout!r:.80}; wanted one of {', '.join(get_args(Layout))}")


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table: which sound, by what id, and its captions.

    Attributes:
        sound: The sound's name in its set.
        files: Names that its file may have, without a suffix where any will do.
        captions: As they stand there.
    """

    sound: str
    files: tuple[str, ...]
    captions: tuple[str, ...]


def read(folder: CaptionedFolder) -> tuple[list[Clip], list[str]]:
    """Return the clips of a folder, by id, and what is wrong with the lines that give none.

    Lines about the same sound become one clip with several captions.

    Raises:
        ManifestError: The table cannot be read, lacks a column, or no line gives a clip.
    """
    table, sounds = Path(folder.captions), Path(folder.sounds)
    files = _files(sounds)
    found: dict[str, Path] = {}
    captions: dict[str, dict[str, None]] = {}  # a set that keeps its order
    problems = []
    for number, values in _lines(table, folder.layout):
        try:
            row = LAYOUTS[folder.layout](values)
            found[row.sound] = _find(row, files, sounds)
            captions.setdefault(row.sound, {}).update(dict.fromkeys(row.captions))
        except ManifestError as error:
            problems.append(f"{table.name}, line {number}: {error}")
    if not found:
        first = f"; first: {problems[0]}" if problems else ""
        raise ManifestError(f"{table} gives no clip, {len(problems)} lines are bad{first}")
    return [
        Clip(
            clip_id=f"{folder.name}/{sound}",
            path=path,
            sha256=benchmark_file.file_hash(path),
            captions={"en": tuple(captions[sound])},
            concept=None,
            source=folder.name,
            licence=folder.licence,
        )
        for sound, path in sorted(found.items())
    ], problems


def read_all(folders: Sequence[CaptionedFolder]) -> list[Clip]:
    """Return the clips of all folders; bad lines are left out and logged.

    Raises:
        ManifestError: A folder gives no clip, or two have one name.
    """
    names = [folder.name for folder in folders]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ManifestError(f"two folders are named {twice[0]!r}; wanted a name each")
    clips: list[Clip] = []
    for folder in folders:
        read_clips, problems = read(folder)
        for problem in problems[:SHOWN]:
            log.warning("left out: %s", problem)
        if len(problems) > SHOWN:
            log.warning("left out: %d more lines of %s", len(problems) - SHOWN, folder.captions)
        clips += read_clips
    return clips


def _clotho(values: Mapping[str, str]) -> Row:
    name = _wanted(values, "file_name")
    if Path(name).name != name:
        raise ManifestError(f"file_name is {name!r:.80}; wanted the name of a file, without a folder")
    texts = [values[column].strip() for column in CLOTHO_CAPTIONS if (values.get(column) or "").strip()]
    return Row(Path(name).stem, (name,), _english(texts))


def _audiocaps(values: Mapping[str, str]) -> Row:
    video, start = _wanted(values, "youtube_id"), _wanted(values, "start_time")
    if not re.fullmatch(r"[\w-]{11}", video):
        raise ManifestError(f"youtube_id is {video!r:.80}; wanted 11 letters, digits, '_' and '-'")
    if not start.isdigit():
        raise ManifestError(f"start_time is {start!r:.80}; wanted whole seconds")
    number = _wanted(values, "audiocap_id")
    # Everybody downloads these for themselves, and every tool names the files its own way.
    files = (f"{video}_{start}", f"Y{video}_{start}", f"{video}_{start}_{int(start) + 10}", f"Y{video}", video, number)
    return Row(f"{video}_{start}", files, _english([_wanted(values, "caption")]))


LAYOUTS: Mapping[Layout, Callable[[Mapping[str, str]], Row]] = {"audiocaps": _audiocaps, "clotho": _clotho}
COLUMNS: Mapping[Layout, tuple[str, ...]] = {
    "audiocaps": ("audiocap_id", "youtube_id", "start_time", "caption"),
    "clotho": ("file_name", "caption_1"),
}


def _lines(table: Path, layout: Layout) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield each line of a table with its number in the file."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in COLUMNS[layout] if name not in (reader.fieldnames or ())]:
                raise ManifestError(f"{table} lacks the columns {', '.join(missing)} of the layout {layout}")
            for values in reader:
                yield reader.line_num, values
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"cannot read the captions {table}: {error}") from error


def _files(sounds: Path) -> dict[str, str]:
    """Return the files of a folder by their name and, for sounds, by their name without its suffix."""
    try:
        names = sorted(path.name for path in sounds.iterdir())
    except OSError as error:
        raise ManifestError(f"cannot read the folder of sounds {sounds}: {error.strerror or error}") from error
    stems = {Path(name).stem: name for name in reversed(names) if Path(name).suffix.lower() in SOUNDS}
    return {**stems, **{name: name for name in names}}


def _find(row: Row, files: Mapping[str, str], sounds: Path) -> Path:
    for name in row.files:
        if name in files:
            return sounds / files[name]
    raise ManifestError(f"no sound {' or '.join(row.files[:2])} in {sounds.name}")


def _wanted(values: Mapping[str, str], column: str) -> str:
    text = (values.get(column) or "").strip()
    if not text:
        raise ManifestError(f"{column} is empty")
    return text


def _english(texts: Sequence[str]) -> tuple[str, ...]:
    """Return captions as they are, refusing what cannot be English."""
    if not texts:
        raise ManifestError("no caption")
    for text in texts:
        if not re.search(r"[A-Za-z]", text):
            raise ManifestError(f"a caption is {text!r:.80}; wanted English")
    return tuple(texts)
