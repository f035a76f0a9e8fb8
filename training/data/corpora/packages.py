"""Where each package keeps its sounds, and under which licence a single one stands."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cacara import sources
from cacara.errors import SourceError
from cacara.sources import archives
from cacara.sources import texts as source_texts


@dataclasses.dataclass(frozen=True)
class Package:
    """The sounds of one source.

    Attributes:
        key: The source's key in ``cacara.sources``.
        root: The folder below the source's content under which its sounds lie.
        excluded: Folders below ``root`` whose files share names with effects but are spoken.
        licence: The sounds' licence where it differs from the package's.
    """

    key: str
    root: str
    excluded: tuple[str, ...] = ()
    licence: str | None = None

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

    def licences(self, folder: Path) -> Mapping[str, str]:
        """Return the licence of each file that states its own, by the path that ``files`` yields."""
        credits_file = source_texts.content_folder(self.key, folder) / self.root / archives.CREDITS_NAME
        if not credits_file.is_file():
            return {}
        credit_of = json.loads(credits_file.read_text(encoding="utf-8"))
        return {name: _licence_in(credit) for name, credit in credit_of.items()}

    @property
    def default_licence(self) -> str:
        """The licence of files that state none of their own."""
        return self.licence or sources.source(self.key).licence


def _licence_in(credit: str) -> str:
    """Return the short name of the licence that an OpenSFX description ends with."""
    stated = re.search(r"Creative Commons (Attribution-ShareAlike|Attribution|Zero) (\d\.\d)", credit)
    if stated is None:
        return "CC-BY-SA-3.0"  # the collection as a whole
    name = {"Attribution-ShareAlike": "CC-BY-SA", "Attribution": "CC-BY", "Zero": "CC0"}[stated[1]]
    return f"{name}-{stated[2]}"


_TABLE = (
    Package("arcade", "arcade/resources", licence="CC0-1.0"),
    Package("bzflag", "usr/share/games/bzflag"),
    Package("flare", "usr/share/games/flare/mods", excluded=("npcs",)),
    Package("freeciv", "usr/share/games/freeciv/stdsounds"),
    Package("freedroidrpg", "usr/share/freedroidrpg/data/sound/effects"),
    Package("gcompris", "extracted/gcompris/src/activities"),
    Package("hedgewars", "usr/share/games/hedgewars/Data/Sounds", excluded=("voices",)),
    Package("hydrogen", "usr/share/hydrogen/data/drumkits"),
    Package("lincity", "usr/share/games/lincity-ng/sounds"),
    Package("lmms", "usr/share/lmms/samples"),
    Package("megaglest", "usr/share/games/megaglest"),
    Package("minetest", "usr/share/games/minetest/games/minetest_game/mods"),
    Package("opensfx", "extracted"),
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
