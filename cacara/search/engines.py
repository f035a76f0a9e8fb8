"""One face for every index: exact in memory, exact in a folder, or an engine that many machines can share."""

from __future__ import annotations

import contextlib
import importlib
import json
import re
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cacara.errors import QueryError
from cacara.search.index import ExactIndex, Mask, Neighbour, unit_rows
from cacara_files import atomic

if TYPE_CHECKING:
    import pyarrow

    from cacara.model.model import Cacara

TABLE = "clips"
MAKER = "maker"
MAKER_FILE = "maker.json"
MIN_APPROXIMATE = 10_000
"""Fewer rows are searched exactly in milliseconds, and teach no quantisation."""
PROBES = 50
RESCORED = 20
"""An approximate search looks into so many parts of the index, and scores so many times the wanted rows in full."""
_SEGMENT = re.compile(r"segment-(\d{6})\.npz")
_ROWS_AT_ONCE = 1_000
_ENGINE_NEEDED = "pip install -r requirements-engines.txt"


class SearchIndex(Protocol):
    """An index of embeddings. Scores are cosines."""

    @property
    def dimension(self) -> int:
        """Width of an embedding."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The rows' names."""

    def __len__(self) -> int:
        """Number of ids."""

    def nearest(self, queries: ArrayLike, top_k: int, mask: Mask = None) -> list[list[Neighbour]]:
        """Return the ``top_k`` nearest of each query, best first; fewer where the index, or the mask, holds fewer.

        Args:
            queries: float ``[queries, dimension]``.
            top_k: At least 1.
            mask: What ``mask`` of this index returned; None for all rows.

        Raises:
            QueryError: Wrong shape, NaN, a row of zeros, or ``top_k`` below 1.
        """

    def mask(self, ids: Collection[str]) -> Mask:
        """Return what limits a search to some rows; names that the index lacks are passed over."""

    def rows(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings of some rows, float32 ``[ids, dimension]``, L2-normalised.

        Raises:
            QueryError: There is no such row.
        """


class VectorIndex(SearchIndex, Protocol):
    """Interface of all engines; an id that is added again replaces its earlier embedding."""

    def add(self, ids: Sequence[str], embeddings: ArrayLike) -> None:
        """Add rows, or replace those of the same ids.

        Args:
            ids: A name for each row, none twice.
            embeddings: float ``[rows, dimension]``, finite, no zero row.

        Raises:
            QueryError: Wrong shape, an id twice, NaN, or a row of zeros.
        """


class MemoryIndex:
    """Exact search in memory, growing; gone with the process."""

    def __init__(self, dimension: int) -> None:
        """Start empty; ``dimension`` is the width of an embedding."""
        self._index = ExactIndex([], np.zeros((0, dimension), np.float32))
        self._added: dict[str, NDArray[np.float32]] = {}
        self._dimension = dimension

    @property
    def dimension(self) -> int:
        """Width of an embedding."""
        return self._dimension

    @property
    def ids(self) -> tuple[str, ...]:
        """The rows' names, in the order in which they came."""
        return self._exact.ids

    def __len__(self) -> int:
        return len(self._exact)

    def add(self, ids: Sequence[str], embeddings: ArrayLike) -> None:
        """Add rows; see ``VectorIndex``. The next search lays all rows out anew."""
        self._added.update(zip(ids, checked(ids, embeddings, self._dimension), strict=True))

    def nearest(self, queries: ArrayLike, top_k: int, mask: Mask = None) -> list[list[Neighbour]]:
        """Return the nearest; see ``SearchIndex``."""
        return self._exact.nearest(queries, top_k, mask)

    def mask(self, ids: Collection[str]) -> Mask:
        """Return what limits a search to some rows, until more are added; see ``SearchIndex``."""
        return self._exact.mask(ids)

    def rows(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings of some rows; see ``SearchIndex``."""
        return self._exact.rows(ids)

    @property
    def _exact(self) -> ExactIndex:
        if self._added:
            known = self._index.ids
            rows = {**dict(zip(known, self._index.rows(known), strict=True)), **self._added}
            self._index, self._added = ExactIndex(list(rows), np.stack(list(rows.values()))), {}
        return self._index


class FolderIndex(MemoryIndex):
    """Exact search in memory over what a folder keeps, a file an ``add``; one process writes at a time."""

    def __init__(self, dimension: int, folder: Path) -> None:
        """Read the folder, which is made when it is missing.

        Raises:
            QueryError: A file of it is damaged, or holds embeddings of another width.
        """
        super().__init__(dimension)
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._next = 1
        for path in sorted(folder.iterdir()):
            if match := _SEGMENT.fullmatch(path.name):
                super().add(*_read_segment(path))
                self._next = int(match[1]) + 1

    def add(self, ids: Sequence[str], embeddings: ArrayLike) -> None:
        """Add rows and keep them; see ``VectorIndex``."""
        rows = checked(ids, embeddings, self.dimension)
        path = self._folder / f"segment-{self._next:06d}.npz"
        with atomic.replacing(path) as partial, partial.open("wb") as file:
            np.savez(file, ids=np.array(list(ids), dtype=np.str_), embeddings=rows)
        self._next += 1
        super().add(ids, rows)


class LanceIndex:
    """A LanceDB table: a folder, storage that machines share, or a cluster; exact until it is told to approximate."""

    def __init__(self, dimension: int, uri: str) -> None:
        """Open the table, which is made when it is missing.

        Args:
            dimension: Width of an embedding.
            uri: A folder, ``s3://bucket/path``, ``gs://…``, ``az://…``, or ``db://name`` of a LanceDB cluster.

        Raises:
            QueryError: LanceDB is not installed, cannot be reached, or the table has another width.
        """
        lancedb = _lancedb()
        import pyarrow

        self._dimension = dimension
        self._uri = uri
        vector = pyarrow.list_(pyarrow.float32(), dimension)
        self._schema = pyarrow.schema([("id", pyarrow.string()), ("vector", vector)])
        try:
            self._table: Any = lancedb.connect(uri).create_table(TABLE, schema=self._schema, exist_ok=True)
        except (OSError, RuntimeError, ValueError) as error:
            if "schema" in str(error).lower():
                raise QueryError(f"the index at {uri} does not have embeddings {dimension} wide") from error
            raise QueryError(f"cannot open the index at {uri}: {error!s:.300}") from error

    @property
    def dimension(self) -> int:
        """Width of an embedding."""
        return self._dimension

    @property
    def ids(self) -> tuple[str, ...]:
        """The rows' names, read from the table."""
        with self._told():
            return tuple(self._table.search().select(["id"]).limit(None).to_arrow()["id"].to_pylist())

    def __len__(self) -> int:
        with self._told():
            return int(self._table.count_rows())

    def add(self, ids: Sequence[str], embeddings: ArrayLike) -> None:
        """Add rows; see ``VectorIndex``."""
        rows = checked(ids, embeddings, self._dimension)
        if not len(rows):
            return
        batch = self._batch(ids, rows)
        merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        with self._told():
            merge.execute(batch)  # rows, not SQL

    def mask(self, ids: Collection[str]) -> Mask:
        """Return the condition that limits a search to some rows, or leaves out the others where these are fewer."""
        known = self.ids
        others = [name for name in known if name not in ids]
        if len(others) < len(known) / 2:
            return f"not {_among(others)}" if others else None
        return _among(name for name in known if name in ids)

    def rows(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings of some rows; see ``SearchIndex``."""
        found: dict[str, NDArray[np.float32]] = {}
        for start in range(0, len(ids), _ROWS_AT_ONCE):
            wanted = ids[start : start + _ROWS_AT_ONCE]
            with self._told():
                table = self._table.search().where(_among(wanted)).limit(None).to_arrow()
            vectors = table["vector"].combine_chunks().flatten().to_numpy().reshape(-1, self._dimension)
            found.update(zip(table["id"].to_pylist(), vectors, strict=True))
        if missing := [name for name in ids if name not in found]:
            raise QueryError(f"the index at {self._uri} has no row {missing[0]!r:.100}")
        return unit_rows(np.stack([found[name] for name in ids]), "index embeddings")

    def nearest(self, queries: ArrayLike, top_k: int, mask: Mask = None) -> list[list[Neighbour]]:
        """Return the nearest; see ``SearchIndex``."""
        probe = ExactIndex([], np.zeros((0, self._dimension), np.float32))
        probe.search(queries, top_k)  # refuses what no engine should see, in the same words
        unit = np.asarray(queries, dtype=np.float32)
        return [self._nearest(query, top_k, mask) for query in unit]

    def _nearest(self, query: NDArray[np.float32], top_k: int, mask: str | None) -> list[Neighbour]:
        search = self._table.search(query, vector_column_name="vector").distance_type("cosine").limit(top_k)
        search = search.nprobes(PROBES).refine_factor(RESCORED)  # of no account without ``approximate``
        search = search if mask is None else search.where(mask, prefilter=True)
        with self._told():
            found = search.select(["id", "_distance"]).to_list()
        hits = [Neighbour(row["id"], float(np.clip(1.0 - row["_distance"], -1.0, 1.0))) for row in found]
        return sorted(hits, key=lambda hit: -hit.score)

    def approximate(self) -> None:
        """Build an inverted file with quantised rows: searches of many millions become fast, and approximate.

        Raises:
            QueryError: There are too few rows to learn the quantisation from.
        """
        if len(self) < MIN_APPROXIMATE:
            raise QueryError(f"the index holds {len(self)} rows; wanted at least {MIN_APPROXIMATE} to approximate")
        with self._told():
            self._table.create_index("vector", config=_lancedb("index").IvfPq(distance_type="cosine"))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the engine raises at a damaged or unreachable table into our error."""
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            raise QueryError(
                f"the index at {self._uri} cannot be read or written ({error!s:.200}); where it is damaged, delete it "
                "and index the folder again"
            ) from error

    def _batch(self, ids: Sequence[str], rows: NDArray[np.float32]) -> pyarrow.Table:
        import pyarrow

        vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.ravel()), self._dimension)
        return pyarrow.table({"id": pyarrow.array(list(ids)), "vector": vectors}, schema=self._schema)


ENGINES: dict[str, Callable[[int, str], VectorIndex]] = {
    "memory": lambda dimension, _: MemoryIndex(dimension),
    "exact": lambda dimension, place: FolderIndex(dimension, Path(place).expanduser()),
    "lancedb": LanceIndex,
}
"""From an engine's name to what opens it."""


def open_index(uri: str, dimension: int) -> VectorIndex:
    """Return the index at a place, which is made when it is missing.

    Args:
        uri: ``memory:``, ``exact:FOLDER``, or ``lancedb:PLACE``.
        dimension: Width of an embedding.

    Raises:
        QueryError: Unknown engine, no place, or the engine cannot open it.
    """
    check_uri(uri)
    name, _, place = uri.partition(":")
    return ENGINES[name](dimension, place)


def check_uri(uri: str) -> None:
    """Refuse what names no engine and place.

    Raises:
        QueryError: The message lists the engines.
    """
    name, colon, place = uri.partition(":")
    if name not in ENGINES or not colon:
        raise QueryError(f"unknown engine {uri!r:.100}; wanted memory:, exact:FOLDER or lancedb:PLACE")
    if not place and name != "memory":
        raise QueryError(f"the engine {uri!r} names no place; wanted {name}:PLACE, e.g. {name}:clips-index")


def read_maker(uri: str) -> str | None:
    """Return which model made the embeddings at a place, as ``write_maker`` was given it; None where nobody said.

    Raises:
        QueryError: Unknown engine, no place, or what is recorded there is damaged.
    """
    check_uri(uri)
    name, _, place = uri.partition(":")
    try:
        if name == "exact":
            path = Path(place).expanduser() / MAKER_FILE
            return str(json.loads(path.read_text(encoding="utf-8"))[MAKER]) if path.is_file() else None
        if name == "lancedb":
            database = _lancedb().connect(place)
            known = MAKER in database.list_tables().tables
            return str(database.open_table(MAKER).to_arrow()[MAKER][0].as_py()) if known else None
    except (OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
        raise QueryError(
            f"who made the index at {uri} cannot be read ({error!s:.200}); index the folder again"
        ) from error
    return None


def write_maker(uri: str, maker: str) -> None:
    """Record at a place which model made the embeddings there.

    Args:
        uri: As ``open_index`` takes it.
        maker: What ``maker_name`` returns.

    Raises:
        QueryError: Unknown engine, or no place.
        OSError: It cannot be written.
    """
    check_uri(uri)
    name, _, place = uri.partition(":")
    if name == "exact":
        atomic.write_text(Path(place).expanduser() / MAKER_FILE, json.dumps({MAKER: maker}))
    elif name == "lancedb":
        database = _lancedb().connect(place)
        mode = "overwrite" if MAKER in database.list_tables().tables else "create"
        database.create_table(MAKER, data=[{MAKER: maker}], mode=mode)


def maker_name(model: Cacara) -> str:
    """Return how an index names the model whose embeddings it holds: name and fingerprint."""
    return f"{model.name}-{model.fingerprint}"


def approximate(index: VectorIndex) -> None:
    """Let an engine trade exactness for speed.

    Raises:
        QueryError: It is one that is always exact, or it holds too little.
    """
    if not isinstance(index, LanceIndex):
        raise QueryError("this engine is always exact; wanted lancedb:PLACE to search approximately")
    index.approximate()


def checked(ids: Sequence[str], embeddings: ArrayLike, dimension: int) -> NDArray[np.float32]:
    """Return the embeddings L2-normalised, float32 [rows, dimension], or refuse them.

    Raises:
        QueryError: Wrong shape or width, an id twice, NaN, or a row of zeros.
    """
    rows = unit_rows(embeddings, "index embeddings")
    if len(ids) != len(rows):
        raise QueryError(f"{len(ids)} ids for {len(rows)} embeddings; wanted one each")
    if rows.shape[1] != dimension:
        raise QueryError(f"the embeddings have {rows.shape[1]} dimensions, the index has {dimension}")
    if len(set(ids)) != len(ids):
        twice = next(name for position, name in enumerate(ids) if name in ids[:position])
        raise QueryError(f"the id {twice!r:.100} is there twice; wanted each once in an add")
    return rows


def _lancedb(part: str = "") -> Any:  # noqa: ANN401 - the module lancedb, or one of its own
    try:
        return importlib.import_module(f"lancedb.{part}" if part else "lancedb")
    except ImportError as error:
        raise QueryError(f"the engine lancedb is not installed; {_ENGINE_NEEDED}") from error


def _among(names: Iterable[str]) -> str:
    """Return the condition that an id is one of these."""
    quoted = ",".join("'{}'".format(name.replace("'", "''")) for name in names)
    return f"id in ({quoted})" if quoted else "false"


def _read_segment(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return stored["ids"].tolist(), stored["embeddings"]
    except (OSError, ValueError, LookupError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile) as error:
        raise QueryError(f"{path} is damaged ({error!s:.100}); delete it and index the folder again") from error
