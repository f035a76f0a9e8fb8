"""Locations and licences of each package's sounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cacara import sources
from cacara.errors import SourceError
from cacara.sources import archives
from cacara.sources import texts as source_texts
from training.data.corpora import credits
from training.data.corpora.credits import Credit


@dataclasses.dataclass(frozen=True)
class Package:
    """The sounds of one source.

    Attributes:
        key: The source's key in ``cacara.sources``.
        root: The folder below the source's content under which its sounds lie.
        excluded: Folders below ``root`` whose files share names with effects but are spoken.
        licence: The sounds' licence where it differs from the package's.
        author: Who made all of them, where nobody is credited for a single one.
        reader: Reads what the package says of single sounds.
        credited_only: Whether a sound that ``reader`` finds nothing about is left out; else ``licence`` is its.
    """

    key: str
    root: str
    excluded: tuple[str, ...] = ()
    licence: str | None = None
    author: str | None = None
    reader: credits.Reader | None = None
    credited_only: bool = False

    def files(self, folder: Path) -> Iterator[tuple[str, Path]]:
        """Yield (path below ``root`` with ``/``, file) of every sound, sorted.

        Args:
            folder: Where the source was fetched to.

        Raises:
            SourceError: ``root`` is not there, so the folder is not this package's.
        """
        root = source_texts.content_folder(self.key, folder) / self.root
        if not root.is_dir():
            raise SourceError(f"{self.key}: no folder {root}; fetch the release that cacara.sources pins")
        for path in sorted(root.rglob("*")):
            relative = path.relative_to(root)
            if path.suffix.lower() not in archives.AUDIO_SUFFIXES or not path.is_file():
                continue
            if not any(part in self.excluded for part in relative.parts):
                yield relative.as_posix(), path

    def credits(self, folder: Path, sounds: Sequence[str]) -> Mapping[str, Credit]:
        """Return the credit of each of ``sounds``, paths as ``files`` yields them; of those left out there is none.

        Raises:
            SourceError: The package's file of credits is missing or malformed.
        """
        content = source_texts.content_folder(self.key, folder)
        found = self.reader(content, sounds) if self.reader else {}
        if self.credited_only:
            return found
        return dict.fromkeys(sounds, Credit(self.default_licence, self.author)) | found

    @property
    def default_licence(self) -> str:
        """The licence of files that state none of their own."""
        return self.licence or sources.source(self.key).licence


_TABLE = (
    Package("animalia", "sounds", licence="MIT", author="ElCeejo"),
    Package("arcade", "arcade/resources", licence="CC0-1.0"),
    Package("bzflag", "usr/share/games/bzflag"),
    Package("cdda-soundpacks", "sound/CC-Sounds", reader=credits.by_folder, credited_only=True),
    Package(
        "dynamic-surroundings",
        "src/main/resources/assets/dsurround/sounds",
        licence="public domain or CC",  # what its credits say of the sounds that they do not name
        reader=credits.by_heading,
    ),
    Package("flare", "usr/share/games/flare/mods", excluded=("npcs",)),
    Package("freeciv", "usr/share/games/freeciv/stdsounds"),
    Package("freedroidrpg", "usr/share/freedroidrpg/data/sound/effects"),
    Package("gcompris", "extracted/gcompris/src/activities"),
    Package("hedgewars", "usr/share/games/hedgewars/Data/Sounds", excluded=("voices",)),
    Package("hydrogen", "usr/share/hydrogen/data/drumkits"),
    Package("lincity", "usr/share/games/lincity-ng/sounds"),
    Package("lmms", "usr/share/lmms/samples"),
    Package("megaglest", "usr/share/games/megaglest"),
    Package("mineclone2", "mods", reader=credits.mineclone2, credited_only=True),
    Package("minetest", "usr/share/games/minetest/games/minetest_game/mods"),
    Package("mod-sounds", "sounds", reader=credits.antum, credited_only=True),
    Package("opensfx", "extracted", reader=credits.open_sfx),
    Package("opensoundeffects", ".", licence="CC-BY-4.0", reader=credits.by_author),
    Package("scratch-1.4", "Media/Sounds", licence="CC-BY-SA-3.0"),
    Package("searchandrescue", "usr/share/games/searchandrescue/sounds"),
    Package("simutrans", "usr/share/games/simutrans/pak/sound"),
    Package("soundicons", "usr/share/sounds/sound-icons"),
    Package("supersonic", "package/samples"),
    Package("supertux", "usr/share/games/supertux2/sounds"),
    Package("unknownhorizons", "usr/share/unknown-horizons/content/audio/sounds"),
    Package("warzone2100", "extracted/base/audio", excluded=("memressp", "tutorial", "extra")),
    Package("wesnoth", "usr/share/games/wesnoth/1.16"),
    Package("widelands", "usr/share/games/widelands/data"),
)

PACKAGES: Mapping[str, Package] = {package.key: package for package in _TABLE}
