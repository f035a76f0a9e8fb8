"""Judgements through Label Studio and Argilla: out as their JSON, worked on as they do, and in again."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from feedback_examples import caption, judgement

from feedback_db import FeedbackError, Store
from feedback_db.__main__ import main
from feedback_db.exchange.annotation_tools import LABEL_CONFIG
from feedback_db.exchange.importing import read_file
from feedback_db.records.opinions import LABELS, REASONS

SAID = [
    judgement(),
    judgement(annotator="Ben", label="not_relevant", reasons=("wrong_sound",), comment="<b>a cow</b>"),
    judgement(query_text="mvua", clip_id="rain"),
]


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "feedback.db"
    with Store(path) as store:
        store.add_records([*SAID, caption()])
    return path


def exported(database, tool):
    path = database.with_name(f"{tool}.json")
    assert main(["export", str(path), "--format", tool, "--database", str(database)]) == 0
    return path, json.loads(path.read_text(encoding="utf-8"))


def imported(database, path):
    code = main(["import", str(path), "--database", str(database)])
    with Store(database) as store:
        return code, store.current_judgements()


@pytest.mark.parametrize("tool", ["label-studio", "argilla"])
def test_what_comes_back_unchanged_adds_nothing(database, tool, capsys):
    path, tasks = exported(database, tool)
    assert len(tasks) == 2, "a task for each query and clip"
    code, now = imported(database, path)
    assert code == 0 and "0 new, 3 known already, 0 bad" in capsys.readouterr().out
    assert len(now) == 3
    with Store(database.with_name("empty.db")) as empty:
        assert empty.add_records([record for _, record in read_file(path).records]).new == 3
        assert {(row.annotator, row.label, row.comment) for row in empty.current_judgements()} == {
            (row.annotator, row.label, row.comment) for row in SAID
        }


def test_work_done_in_label_studio_is_added(database, capsys):
    path, tasks = exported(database, "label-studio")
    for number, task in enumerate(tasks, 1):  # as Label Studio gives a project out
        task |= {"id": number, "project": 8, "created_at": "2026-05-01T10:00:00.000000Z"}
    result = {"id": "Dx_aB91ISN", "from_name": "label", "to_name": "clip", "type": "choices", "origin": "manual"}
    tasks[1]["annotations"].append(
        {
            "id": 1001,
            "completed_by": {"id": 3, "email": "chi@example.org"},
            "result": [result | {"value": {"choices": ["partly"]}}],
            "was_cancelled": False,
            "updated_at": "2026-05-01T12:16:08.728378+02:00",
            "lead_time": 4.288,
        }
    )
    tasks[0]["annotations"][0]["result"][0]["value"]["choices"] = ["unsure"]
    tasks[0]["annotations"].append({"id": 1002, "completed_by": 4, "result": [], "was_cancelled": True})
    path.write_text(json.dumps(tasks))
    code, now = imported(database, path)
    assert code == 0 and "2 new, 2 known already, 0 bad" in capsys.readouterr().out
    (added,) = [row for row in now if row.annotator == "chi@example.org"]
    assert (added.label, added.query_text, added.clip_id, added.language) == ("partly", "mvua", "rain", "sw")
    assert (added.seconds_taken, added.created_utc[:19]) == (4.288, "2026-05-01T10:16:08")
    assert imported(database, path)[0] == 0 and "0 new, 4 known already" in capsys.readouterr().out


def test_work_done_in_argilla_is_added(database, capsys):
    path, records = exported(database, "argilla")
    assert records[0]["suggestions"]["label"]["value"] in LABELS
    records[1]["responses"] = {
        "label": [
            {"value": "relevant", "user_id": "5f0b4ae4", "status": "submitted"},
            {"value": "unsure", "user_id": "77", "status": "draft"},
        ],
        "reasons": [{"value": ["too_faint"], "user_id": "5f0b4ae4", "status": "submitted"}],
    }
    path.write_text(json.dumps(records))
    code, now = imported(database, path)
    assert code == 0 and "1 new, 3 known already, 0 bad" in capsys.readouterr().out
    (added,) = [row for row in now if row.annotator == "argilla-5f0b4ae4"]
    assert (added.label, added.reasons, added.clip_id) == ("relevant", ("too_faint",), "rain")


def test_bad_tasks_are_named_and_nothing_is_imported(database, capsys):
    path, tasks = exported(database, "label-studio")
    tasks[0]["annotations"][0]["result"][0]["value"]["choices"] = ["good"]
    tasks[1]["annotations"] = [7]
    path.write_text(json.dumps(tasks))
    code, now = imported(database, path)
    errors = capsys.readouterr().err
    assert code == 1 and len(now) == 3
    assert "line 1: label: found 'good', wanted one of relevant" in errors
    assert "line 2: found a task of another layout" in errors
    path.write_text('{"a": 1}')
    with pytest.raises(FeedbackError, match="neither tasks of Label Studio"):
        read_file(path)
    path.write_text("[" * 100_000)
    with pytest.raises(FeedbackError, match="found no JSON"):
        read_file(path)


def test_the_labelling_interface_offers_what_a_judgement_may_hold():
    view = ElementTree.fromstring(LABEL_CONFIG)
    offered = {each.get("name"): [one.get("value") for one in each] for each in view.iter("Choices")}
    assert offered == {"label": list(LABELS), "reasons": list(REASONS)}
