"""Feedback goes out and comes back the same, in every format; bad rows are told by their lines."""

from __future__ import annotations

import csv
import dataclasses
import json

import pytest
from feedback_examples import adjudication, campaign, caption, comparison, item, judgement, preference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedback_db import Deletion, FeedbackError, Undo, save_recording
from feedback_db.exchange.export import anonymised, export
from feedback_db.exchange.importing import read_file
from feedback_db.exchange.table import from_cells, to_cells
from feedback_db.records.lines import from_line, to_line
from feedback_db.records.people import Person, Skip

EVENTS = [
    judgement(reasons=("too_faint",), comment='"quoted", and\nof two lines', seconds_taken=1.5, position=2),
    judgement(rank=None, score=None, model=None, model_version=None, language=None),
    judgement(query_text=None, recording_sha256="a" * 64, consent=True, query_kind="picture", score=-0.25),
    caption(query_text=None, caption="=1+1"),
    preference(),
    adjudication(note="'=cmd|' /C calc'!A0"),
    Undo(judgement_id="1" * 32, annotator="Ana"),
    Deletion(event_ids=("2" * 32, "3" * 32), reason="recording"),
]
MADE = campaign()
OTHERS = [
    MADE,
    item(MADE, known_label="unsure", priority=0.5),
    comparison(MADE),
    Person(annotator="Ana", token_sha256="b" * 64),
    Skip(item_id="4" * 32, annotator="Ana"),
]


@pytest.mark.parametrize("record", EVENTS + OTHERS, ids=lambda record: type(record).__name__)
def test_a_line_holds_a_record_of_any_type(record):
    line = to_line(record)
    assert "\n" not in line
    assert from_line(line) == record


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_a_file_of_any_format_comes_back_the_same(tmp_path, ending):
    path = tmp_path / f"feedback.{ending}"
    assert export(EVENTS, path, ending) == len(EVENTS)
    read = read_file(path)
    assert read.problems == []
    assert [record for _, record in read.records] == EVENTS
    assert sorted(tmp_path.iterdir()) == [path]


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=60)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.tuples(st.sampled_from(["", "=", "+", "-", "@", "\t", "'", "''=", "\r"]), texts).map("".join))
def test_no_cell_is_a_formula_and_every_cell_comes_back(text):
    made = judgement(comment=text if text.strip() else "x" + text)
    cells = to_cells(made)
    assert all(cell[:1] not in tuple("=+-@\t\r\n") for name, cell in cells.items() if name != "score")
    assert from_cells(cells) == made


def test_a_csv_file_is_read_by_a_plain_reader_with_numbers_as_numbers(tmp_path):
    export([judgement(score=-0.5), caption(caption="@SUM(A1)")], tmp_path / "f.csv", "csv")
    with (tmp_path / "f.csv").open(encoding="utf-8-sig", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["type"], float(first["score"]), first["caption"]) == ("judgement", -0.5, "")
    assert second["caption"] == "'@SUM(A1)"


def test_each_bad_line_of_jsonl_is_told_with_its_number(tmp_path):
    good = json.loads(to_line(EVENTS[0]))
    lines = [
        json.dumps(good),
        "{half",
        json.dumps(good | {"label": "maybe"}),
        "",
        json.dumps(good | {"colour": "blue"}),
        json.dumps({name: value for name, value in good.items() if name != "clip_id"}),
        json.dumps(good | {"type": "vote"}),
        json.dumps(good | {"reasons": 7}),
        json.dumps(good | {"query_text": ["x"]}),
        "[" * 100_000,
        "7",
    ]
    path = tmp_path / "bad.jsonl"
    path.write_bytes("\n".join(lines).encode() + b"\n\xff\xfe\n")
    read = read_file(path)
    assert [number for number, _ in read.records] == [1]
    told = dict(read.problems)
    assert sorted(told) == [2, 3, 5, 6, 7, 8, 9, 10, 11, 12]
    for number, words in ((2, "no JSON"), (3, "label: found 'maybe'"), (5, "colour"), (6, "clip_id: found nothing")):
        assert words in told[number]
    assert "type: found 'vote'" in told[7]
    assert "no UTF-8" in told[12]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_an_export_that_went_through_a_spreadsheet_is_read(tmp_path, encoding, separator):
    export(list(EVENTS), tmp_path / "out.csv", "csv")
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        heading, *rows = csv.reader(file)
    path = tmp_path / "back.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow([heading[0].upper(), *heading[1:], "", ""])
        writer.writerows(
            [{"true": "TRUE", "false": "FALSE"}.get(cell, cell) for cell in [*row, "", ""]] for row in rows
        )
    read = read_file(path)
    assert [record for _, record in read.records] == list(EVENTS) and read.problems == []
    assert read.preview.separator == separator


def test_a_table_with_an_unknown_column_is_refused_with_those_known(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("type,qery_text\njudgement,x\n")
    with pytest.raises(FeedbackError, match="'qery_text' is no heading that is known.*query_text"):
        read_file(path)
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(FeedbackError, match="a workbook"):
        read_file(path)


def test_each_bad_row_of_a_csv_file_is_told_with_its_line(tmp_path):
    path = tmp_path / "bad.csv"
    export([EVENTS[0], EVENTS[1], EVENTS[1]], path, "csv")
    text = path.read_bytes().decode("utf-8-sig")
    lines = text.split("\r\n")
    lines[2] = lines[2].replace('"relevant"', '"maybe"')
    lines[3] += ',"one too many"'
    path.write_text("\r\n".join(lines), encoding="utf-8", newline="")
    read = read_file(path)
    assert [record for _, record in read.records] == [EVENTS[0]]
    # The first record's comment has two lines.
    assert [(number, reason.split(",")[0]) for number, reason in read.problems] == [
        (4, "label: found 'maybe'"),
        (5, "found more cells than headings (43 for 42); a text with the separator in it stands in quotes"),
    ]


def test_files_that_are_no_tables_are_refused(tmp_path):
    for name, content in (("a.parquet", b"no table"), ("b.xlsx", b"PK"), ("c.csv", b'a,"b\n')):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FeedbackError, match=name.partition(".")[2]):
            read_file(tmp_path / name)
    with pytest.raises(FeedbackError, match="cannot be read"):
        read_file(tmp_path / "missing.jsonl")


def test_people_can_be_numbered_instead_of_named(tmp_path):
    told = anonymised([judgement(), judgement(annotator="Bo"), campaign(created_by="Bo"), EVENTS[6]])
    assert [getattr(record, "annotator", None) for record in told] == [
        "annotator-1",
        "annotator-2",
        None,
        "annotator-1",
    ]
    assert told[2].created_by == "annotator-2"
    assert dataclasses.replace(told[0], annotator="Ana") == dataclasses.replace(told[0], annotator="Ana")


def test_the_folder_is_loaded_by_the_datasets_library(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    sha256 = save_recording(tmp_path / "recordings", b"RIFF")
    spoken = judgement(query_text=None, recording_sha256=sha256, consent=True)
    folder = tmp_path / "out"
    assert export([EVENTS[0], spoken, caption(), preference()], folder, "datasets", tmp_path / "recordings") == 4
    loaded = datasets.load_dataset(str(folder), "judgements", cache_dir=str(tmp_path / "cache"))["train"]
    assert loaded["clip_id"] == ["dog", "dog"]
    assert loaded[0]["reasons"] == ["too_faint"]
    assert loaded[1]["rank"] == 1
    assert (folder / "recordings" / sha256[:2] / f"{sha256}.wav").read_bytes() == b"RIFF"
    with pytest.raises(FeedbackError, match="is there already"):
        export([], folder, "datasets")
