"""Authors and licences of single sounds, out of the credit files that packages come with.

A reader takes the package's content folder and the sounds' paths below ``Package.root``, and returns the credit of each
sound that a credit file names. A sound that a package with a reader does not credit is left out of training, unless the
package states a licence for the rest.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import html
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from cacara.errors import SourceError
from cacara.sources import archives
from training.data.corpora import rules

TABLES = rules.TABLES / "credits"
# Short licence name after what credit files write; the longer spelling comes first.
_LICENCES = (
    (r"(?:creative commons )?attribution[- ]share ?alike|cc[- ]by[- ]sa", "CC-BY-SA"),
    (r"(?:creative commons )?attribution[- ]non ?commercial|cc[- ]by[- ]nc", "CC-BY-NC"),
    (r"oga[- ]by", "OGA-BY"),
    (r"(?:creative commons )?attribution|cc[- ]by", "CC-BY"),
    (r"(?:creative commons )?(?:zero|0)|cc0|cc[- ]0|public domain", "CC0"),
    (r"mit(?: license)?", "MIT"),
    (r"lgpl", "LGPL"),
    (r"wtfpl", "WTFPL"),
)


@dataclasses.dataclass(frozen=True)
class Credit:
    """Credit of a sound: author and licence.

    Attributes:
        licence: Its licence, as a short name: ``CC-BY-3.0``.
        author: Who made it; None when nobody is named.
        recording: What tells the recording that it was cut from: an address, or a name unique in the package; None
            when the file does not say. Two sounds with the same one were cut from the same recording.
    """

    licence: str
    author: str | None = None
    recording: str | None = None


Reader = Callable[[Path, Sequence[str]], dict[str, Credit]]


def licence_name(text: str) -> str | None:
    """Return the short name of the licence that ``text`` states, or None: ``CC BY 3.0`` gives ``CC-BY-3.0``."""
    lower = text.lower().replace("\\", "")
    for pattern, name in _LICENCES:
        if match := re.search(rf"(?<![a-z])(?:{pattern})(?![a-z])[^0-9|]{{0,25}}(\d\.\d)?", lower):
            return "CC0-1.0" if name == "CC0" else f"{name}-{match[1]}" if match[1] else name
    return None


def recording_of(address: str) -> str:
    """Return an address in the one form that stands for its recording: Freesound writes a sound's in three ways."""
    if number := re.search(r"freesound\.org/(?:s|people/[^/]+/sounds)/(\d+)", address):
        return f"https://freesound.org/s/{number[1]}/"
    return re.sub(r"^http:", "https:", address.strip(" <>"))


def open_sfx(content: Path, sounds: Sequence[str]) -> dict[str, Credit]:
    """Return the credits that ``cacara.archives`` took from OpenSFX's own descriptions."""
    credit_of = json.loads((content / "extracted" / archives.CREDITS_NAME).read_text(encoding="utf-8"))
    whole = "CC-BY-SA-3.0"  # the collection's, for a sound that states none
    return {
        name: Credit(licence_name(credit_of[name]) or whole, _people(credit_of[name]))
        for name in sounds
        if name in credit_of
    }


def _people(text: str) -> str | None:
    """Return whom a description of OpenSFX names: ``Original "x.wav" by "A". Edited by B.`` gives ``A, B``."""
    names = re.findall(r'\bby ("[^"]+"(?: and "[^"]+")*|[A-Z][^".]*)', text, re.IGNORECASE)
    return ", ".join(dict.fromkeys(name.replace('"', "").strip() for name in names)) or None


def table_of(name: str) -> Reader:
    """Return a reader of a table of ours, ``rules/credits/NAME.tsv``: file patterns, licence, author, recording."""

    def read(content: Path, sounds: Sequence[str]) -> dict[str, Credit]:
        found: dict[str, Credit] = {}
        for _, (patterns, licence, author, recording) in rules.read_table(TABLES / f"{name}.tsv", columns=4):
            credit = Credit(licence, author or None, recording_of(recording) if recording else None)
            rule = rules.Rule(tuple(patterns.split()), "", ())
            found |= {sound: credit for sound in sounds if sound not in found and rule.matches(sound)}
        return found

    return read


def antum(content: Path, sounds: Sequence[str]) -> dict[str, Credit]:
    """Return the credits of mod-sounds' ``sources.md``: tables by file pattern, and a list of addresses below."""
    text = _read(content / "sources.md")
    addresses = dict(re.findall(r"^\[([^\]]+)\]: *(\S+)", text, re.MULTILINE))
    authors = {name: people for name, people in re.findall(r"^- \*\*(\w+):\*\* (.+)$", text, re.MULTILINE)}
    rows = []
    prefix = "sounds_"
    for line in text.splitlines():
        if heading := re.search(r"Filename \((\w+)\)", line):
            prefix = heading[1]
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) < 3 or (licence := licence_name(cells[2])) is None:
            continue
        name, reference, star = _antum_name(cells[0])
        address = addresses.get(reference)
        author = authors.get(name.partition("_0")[0], authors.get(name)) if "authors" in cells[1] else cells[1]
        rows.append((prefix + name + star, Credit(licence, author, recording_of(address) if address else None)))
    found = {}
    for sound in sounds:
        stem = PurePosixPath(sound).stem
        exact = [credit for pattern, credit in rows if re.fullmatch(re.escape(pattern) + r"([._]\d+)?", stem)]
        wide = [credit for pattern, credit in rows if fnmatch.fnmatchcase(stem, pattern)]
        if first := (*exact, *wide)[:1]:
            found[sound] = first[0]
    return found


def _antum_name(cell: str) -> tuple[str, str, str]:
    """Return name, reference and ``*`` or nothing of ``[name][reference]*``; a range of numbers becomes a class."""
    match = re.fullmatch(r"\[(.+?)\](?:\[([^\]]*)\])?(\*?)", cell)
    name, reference, star = match.groups() if match else (cell, "", "")
    name = re.sub(r"\[0(\d)-0(\d)\]", r"0[\1-\2]", name)
    return name, reference or name.rstrip("*"), star


def by_folder(content: Path, sounds: Sequence[str]) -> dict[str, Credit]:
    """Return the credits of the CDDA packs: a ``credits.md`` in the folder of the sounds, a row a file."""
    found = {}
    for path in sorted(content.rglob("credits.md")):
        for line in _read(path).splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if len(cells) < 4 or (licence := licence_name(cells[2])) is None:
                continue
            credit = Credit(licence, cells[1] or None, recording_of(cells[3]) if cells[3].startswith("http") else None)
            found[(path.parent / cells[0]).relative_to(content).as_posix()] = credit
    return {sound: credit for sound in sounds for place, credit in found.items() if place.endswith(f"/{sound}")}


def by_heading(content: Path, sounds: Sequence[str]) -> dict[str, Credit]:
    """Return the credits of Dynamic Surroundings' ``CREDITS.md``, whose headings name sounds of the game.

    A heading with several origins does not say which file is whose: its files share the strictest licence, and the
    heading stands for the recording.
    """
    blocks = re.split(r"^\*(dsurround:[^*]+)\*\s*$", _read(content / "CREDITS.md"), flags=re.MULTILINE)
    origins: dict[str, Credit] = {}
    for headings, block in zip(blocks[1::2], blocks[2::2], strict=True):
        items = re.findall(r"<li>(.*?)</li>", block, re.DOTALL)
        licences = [name for item in items if (name := licence_name(re.split(r"License:?", item)[-1]))]
        if len(licences) < len(items):
            continue
        addresses = [re.search(r'href="([^"]+)"', item) for item in items]
        people = [re.search(r"\bby (?:<a[^>]*>)?([^<|]+)", item) for item in items]
        names = [name.strip() for name in headings.replace("dsurround:", "").split(" / ")]
        credit = Credit(
            max(licences, key=lambda name: ("NC" in name, "SA" in name, "BY" in name)),
            "; ".join(dict.fromkeys(html.unescape(person[1].strip()) for person in people if person)) or None,
            recording_of(addresses[0][1]) if len(items) == 1 and addresses[0] else names[0],
        )
        origins |= dict.fromkeys(names, credit)
    found: dict[str, Credit] = {}
    for where, (patterns, heading) in rules.read_table(TABLES / "dynamic-surroundings.tsv", columns=2):
        rule = rules.Rule(tuple(patterns.split()), "", ())
        meant = [sound for sound in sounds if rule.matches(sound)]
        if meant and heading not in origins:
            raise SourceError(f"{where}: CREDITS.md has no heading {heading!r} with a licence")
        found |= {sound: origins[heading] for sound in meant}
    return found


def by_author(content: Path, sounds: Sequence[str]) -> dict[str, Credit]:
    """Return the credits of OpenSoundEffects' ``Credits.txt``: an author, then the stems of that author's sounds."""
    text = _read(content / "Credits.txt").partition("All credits below")[0]
    licence = licence_name(text.partition("All samples listed above")[2]) or "CC-BY-4.0"
    stems = {
        re.sub(r"[^a-z0-9]", "", stem.lower()): author
        for author, names in re.findall(r"^(.*\([^)\n]+\)):\n((?:.+\n)+)", text, re.MULTILINE)
        for stem in names.split(",")
    }
    plain = {sound: re.sub(r"[^a-z0-9]", "", PurePosixPath(sound).stem.lower()) for sound in sounds}
    return {sound: Credit(licence, stems[stem]) for sound, stem in plain.items() if stem in stems}


def mineclone2(content: Path, sounds: Sequence[str]) -> dict[str, Credit]:
    """Return the credits of MineClone2: of its creatures from their own file, of the rest from a table of ours."""
    text = _read(content / "mods/ENTITIES/mobs_mc/LICENSE-media.md").partition("## Sounds")[2]
    rows: list[tuple[str, Credit]] = []
    for block in re.split(r"^\* ", text, flags=re.MULTILINE)[1:]:
        rows += _creatures_of(block)
    found = {}
    for sound in sounds:
        name = PurePosixPath(sound).name
        exact = [credit for pattern, credit in rows if pattern == name]
        wide = [credit for pattern, credit in rows if fnmatch.fnmatchcase(name, pattern)]
        if first := (*exact, *wide)[:1]:
            found[sound] = first[0]
    return table_of("mineclone2")(content, sounds) | found


def _creatures_of(block: str) -> Iterator[tuple[str, Credit]]:
    """Yield (file pattern, credit) of one author's block: files follow the author, their address follows files."""
    head, *lines = block.splitlines()
    author = re.split(r",? from ", re.sub(r"\(.*?\)|[\[\]\\]", "", head).strip(" ,"))[0]
    waiting: list[tuple[str, str]] = []
    address: str | None = None

    def credited() -> Iterator[tuple[str, Credit]]:
        for pattern, licence in waiting:
            yield pattern, Credit(licence, author, recording_of(address) if address else None)

    for line in lines:
        if file := re.search(r"`([^`]+)`", line):
            if address:
                yield from credited()
                waiting, address = [], None
            if licence := licence_name(line.rpartition("`")[2]) or licence_name(re.sub(r"\[.*?\]|<.*?>", "", head)):
                waiting.append((file[1].replace(".*", "*"), licence))
        elif (link := re.search(r"https?://[^\s>]+", line)) and address is None:
            address = link[0]
    yield from credited()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SourceError(f"no credits {path.name} in {path.parent}: {error.strerror}") from error
