"""Records as rows of one flat table, for CSV and Parquet, and back."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from feedback_db.errors import FeedbackError
from feedback_db.records.lines import from_json, to_json
from feedback_db.records.opinions import Adjudication, Caption, Deletion, Judgement, Preference, Undo
from feedback_db.records.people import Record

TABLE_TYPES = (Judgement, Caption, Preference, Adjudication, Undo, Deletion)
COLUMNS: Mapping[str, str] = {"type": "str"} | {
    field.name: str(field.type).removesuffix(" | None")
    for record in TABLE_TYPES
    for field in dataclasses.fields(record)
}
"""Every column of the table with its type: ``str``, ``int``, ``float``, ``bool`` or ``tuple[str, ...]``."""

# A spreadsheet takes a cell that starts so for a formula, and runs it.
_FORMULA = re.compile(r"'*(?:[\t\r\n]|\s*[=+\-@＝＋－＠])")
_ESCAPED = re.compile(r"'+(?:[\t\r\n]|\s*[=+\-@＝＋－＠])")


def to_cells(record: Record) -> dict[str, str]:
    """Return a record as the cells of a CSV row; nothing is an empty cell, and no cell is a formula.

    A text that a spreadsheet would run gets an apostrophe in front, and so does one that begins with
    apostrophes before such a sign: ``from_cells`` takes one away again.
    """
    cells = {}
    for name, value in to_json(record).items():
        if value is None or value in ((), []):
            cells[name] = ""
        elif isinstance(value, bool):
            cells[name] = "true" if value else "false"
        elif isinstance(value, tuple | list):
            cells[name] = json.dumps(value, ensure_ascii=False)
        elif isinstance(value, int | float):
            cells[name] = repr(value)
        else:
            cells[name] = f"'{value}" if _FORMULA.match(value) else value
    return cells


def from_cells(cells: Mapping[str, str]) -> Record:
    """Return the record that the cells of a CSV row hold.

    Raises:
        FeedbackError: A cell is not of its column's type, or the record cannot be made.
    """
    values: dict[str, Any] = {}
    for name, cell in cells.items():
        if cell != "":
            values[name] = _parse(name, cell)
    return from_json(_completed(values))


def from_row(row: Mapping[str, Any]) -> Record:
    """Return the record that a row of a Parquet table holds; nulls are left out.

    Raises:
        FeedbackError: The record cannot be made.
    """
    return from_json(_completed({name: value for name, value in row.items() if value is not None}))


def _completed(values: dict[str, Any]) -> dict[str, Any]:
    """Put back the nothings that a record without a default for them needs to be told."""
    kind = values.get("type")
    for record in TABLE_TYPES:
        if record.__name__.lower() == kind:
            optional = {field.name for field in dataclasses.fields(record) if str(field.type).endswith(" | None")}
            return dict.fromkeys(sorted(optional)) | values
    return values


def _parse(name: str, cell: str) -> Any:  # noqa: ANN401 - a JSON value
    kind = COLUMNS.get(name, "str")
    try:
        if kind == "int":
            return int(cell)
        if kind == "float":
            return float(cell)
        if kind.startswith("tuple"):
            return json.loads(cell)
    except (ValueError, RecursionError) as error:
        raise FeedbackError(f"{name}: found {cell[:80]!r}, wanted {_WORDS[kind]}") from error
    if kind == "bool":
        return {"true": True, "false": False}.get(cell.lower(), cell)
    return cell[1:] if _ESCAPED.match(cell) else cell


_WORDS: Mapping[str, str] = {"int": "a whole number", "float": "a number", "tuple[str, ...]": "a JSON list of texts"}
