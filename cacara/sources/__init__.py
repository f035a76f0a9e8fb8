"""Third-party things: the table of them all, and the functions that fetch, verify and unpack them."""

from cacara.sources.fetching import (
    SOURCES,
    Source,
    cache_folder,
    fetch,
    fetch_all,
    find,
    holder_of,
    mirror_folder,
    remove_stale_partials,
    source,
)

__all__ = [
    "SOURCES",
    "Source",
    "cache_folder",
    "fetch",
    "fetch_all",
    "find",
    "holder_of",
    "mirror_folder",
    "remove_stale_partials",
    "source",
]
