"""Writing feedback out: JSONL, CSV, Parquet, and a folder that the ``datasets`` library loads."""

from __future__ import annotations

import csv
import dataclasses
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara_files import atomic
from feedback_db.errors import FeedbackError
from feedback_db.exchange import annotation_tools
from feedback_db.exchange.table import COLUMNS, TABLE_TYPES, to_cells
from feedback_db.records.campaigns import Campaign
from feedback_db.records.lines import to_json, to_line
from feedback_db.records.opinions import FORGOTTEN, Adjudication, Caption, Judgement, Preference
from feedback_db.records.people import Record
from feedback_db.store.recordings import recording_path

if TYPE_CHECKING:
    import pyarrow

FORMATS = ("jsonl", "csv", "parquet", "datasets", *annotation_tools.TOOLS)
_OPINIONS: Mapping[str, type] = {
    "judgements": Judgement,
    "captions": Caption,
    "preferences": Preference,
    "adjudications": Adjudication,
}


def export(records: Sequence[Record], output: Path, form: str, recordings: Path | None = None) -> int:
    """Write records and return how many; beside and then renamed.

    Args:
        records: What to write. CSV, Parquet and ``datasets`` take events; ``datasets`` takes no undos and
            deletions and is meant for what counts now; Label Studio and Argilla take judgements.
        output: A file, or for ``datasets`` a folder; a file is replaced, a folder must be new.
        form: One of ``FORMATS``.
        recordings: For ``datasets``: the folder of recordings to copy those from that the records name.

    Raises:
        FeedbackError: The format is unknown or the output cannot be written.
    """
    if form not in FORMATS:
        raise FeedbackError(f"format: found {form!r:.80}, wanted one of {', '.join(FORMATS)}")
    if form == "jsonl":
        return _beside(output, lambda partial: _write_jsonl(records, partial))
    if form == "datasets":
        if output.exists():
            raise FeedbackError(f"the folder {output} is there already; name a new one")
        return _beside(output, lambda partial: _write_dataset(records, partial, recordings))
    if form in annotation_tools.TOOLS:
        judgements = [record for record in records if isinstance(record, Judgement)]
        return _beside(output, lambda partial: _write_tasks(judgements, partial, form))
    events = [record for record in records if isinstance(record, TABLE_TYPES)]
    write = _write_csv if form == "csv" else _write_parquet
    return _beside(output, lambda partial: write(events, partial))


def anonymised(records: Iterable[Record]) -> list[Record]:
    """Return the records with ``annotator-1``, ``annotator-2`` … for people, numbered as they come."""
    names: dict[str, str] = {}
    told: list[Record] = []
    for record in records:
        field = "created_by" if isinstance(record, Campaign) else "annotator"
        name = getattr(record, field, None)
        if name is not None and name != FORGOTTEN:
            changed: Any = {field: names.setdefault(name, f"annotator-{len(names) + 1}")}
            record = dataclasses.replace(record, **changed)
        told.append(record)
    return told


def _beside(output: Path, write: Callable[[Path], int]) -> int:
    try:
        with atomic.replacing(output) as partial:
            return write(partial)
    except (OSError, shutil.Error) as error:
        raise FeedbackError(f"the export {output} cannot be written ({error})") from error


def _write_jsonl(records: Sequence[Record], path: Path) -> int:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{to_line(record)}\n" for record in records)
    return len(records)


def _write_tasks(judgements: Sequence[Judgement], path: Path, tool: str) -> int:
    path.write_text(annotation_tools.write(judgements, tool), encoding="utf-8")
    return len(judgements)


def _write_csv(records: Sequence[Record], path: Path) -> int:
    # The mark at the start tells spreadsheets that it is UTF-8.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(COLUMNS), restval="", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(to_cells(record) for record in records)
    return len(records)


def _write_parquet(records: Sequence[Record], path: Path, columns: Mapping[str, str] = COLUMNS) -> int:
    import pyarrow
    from pyarrow import parquet

    rows = [to_json(record) for record in records]
    fields = [(name, _arrow_type(pyarrow, kind)) for name, kind in columns.items()]
    arrays = [pyarrow.array([_arrow_value(row.get(name)) for row in rows], type=kind) for name, kind in fields]
    parquet.write_table(pyarrow.Table.from_arrays(arrays, schema=pyarrow.schema(fields)), path)
    return len(rows)


def _arrow_value(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _arrow_type(arrow: Any, kind: str) -> pyarrow.DataType:  # noqa: ANN401 - the module itself
    scalar = {"str": arrow.string(), "int": arrow.int64(), "float": arrow.float64(), "bool": arrow.bool_()}
    return scalar.get(kind) or arrow.list_(arrow.string())


def _write_dataset(records: Sequence[Record], folder: Path, recordings: Path | None) -> int:
    (folder / "data").mkdir(parents=True)
    parts = {name: [record for record in records if isinstance(record, kind)] for name, kind in _OPINIONS.items()}
    for name, part in parts.items():
        own = {field.name for field in dataclasses.fields(_OPINIONS[name])}
        columns = {column: kind for column, kind in COLUMNS.items() if column in own}
        _write_parquet(part, folder / "data" / f"{name}.parquet", columns)
    (folder / "README.md").write_text(_card(parts), encoding="utf-8")
    if recordings is not None:
        hashes = {getattr(record, "recording_sha256", None) for part in parts.values() for record in part}
        for sha256 in sorted(filter(None, hashes)):
            source = recording_path(recordings, sha256)
            if source.is_file():
                target = recording_path(folder / "recordings", sha256)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
    return sum(len(part) for part in parts.values())


def _card(parts: Mapping[str, Sequence[Record]]) -> str:
    configs = "".join(
        f"- config_name: {name}\n  data_files: data/{name}.parquet\n" + ("  default: true\n" * (name == "judgements"))
        for name in parts
    )
    counts = "".join(f"- `{name}`: {len(part)}\n" for name, part in parts.items())
    return (
        f"---\nconfigs:\n{configs}---\n# Feedback on sound search\n\n"
        "What people said about results of a sound search, as it counted when this was exported.\n\n"
        f'{counts}\nLoad one with `datasets.load_dataset(FOLDER, "judgements")`.\n'
    )
