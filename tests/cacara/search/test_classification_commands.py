from __future__ import annotations

import json

import numpy as np
import pytest

from cacara.__main__ import main
from cacara.media import audio
from cacara.model import checkpoint


@pytest.fixture
def field(tmp_path, tiny_model, monkeypatch):
    """A folder of five sounds in two classes, one file that is none, and the tiny model behind every name."""
    monkeypatch.setattr(checkpoint, "load", lambda *_, **__: tiny_model)
    folder = tmp_path / "field"
    for number, place in enumerate(("dog/1.wav", "dog/2.wav", "cat/3.wav", "cat/4.wav", "5.wav")):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        audio.write_wav(folder / place, _tone(300.0 + 100 * number))
    (folder / "bad.ogg").write_text("no sound")
    (folder / "notes.txt").write_text("no sound either")
    (tmp_path / "labels.csv").write_text("label,language,name\ndog,en,dog\ncat,en,cat\ndog,de,hund\ncat,de,katze\n")
    return folder


def _tone(hertz):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000)).astype(np.float32)


def run(field, *arguments):
    return main(["classify", str(field), "--labels", str(field.parent / "labels.csv"), *map(str, arguments)])


def test_a_folder_is_sorted_and_counted_where_folders_tell_the_truth(field, capsys):
    assert run(field) == 0
    captured = capsys.readouterr()
    assert "skipped bad.ogg" in captured.err
    output = field.with_name("field-classified")
    report = json.loads((output / "report.json").read_text())
    assert sorted(path.name for path in output.iterdir()) == ["predictions.csv", "report.json"]
    assert (report["files"], report["labels"], list(report["skipped"])) == (5, 2, ["bad.ogg"])
    assert {code: found["with_truth"] for code, found in report["languages"].items()} == {"de": 4, "en": 4}
    assert all(0 <= found["top_1"] <= found["top_5"] == 100 for found in report["languages"].values())
    lines = (output / "predictions.csv").read_text().splitlines()
    assert len(lines) == 1 + 5 * 2 * 2 and lines[1].startswith("5.wav,de,1,")
    assert "| mean of 2 |" in captured.out and captured.out.startswith("# 5 files, 2 labels, tiny 1\n")


def test_a_table_tells_the_truth_and_results_go_where_they_shall(field, capsys, tmp_path):
    (tmp_path / "truth.csv").write_text("file,label\n5.wav,dog\n")
    assert run(field, "--truth", tmp_path / "truth.csv", "--output", tmp_path / "a" / "b", "--languages", "de") == 0
    report = json.loads((tmp_path / "a" / "b" / "report.json").read_text())
    assert {code: found["with_truth"] for code, found in report["languages"].items()} == {"de": 1}


def test_the_same_run_writes_the_same_bytes(field, tmp_path):
    for name in ("one", "two"):
        assert run(field, "--output", tmp_path / name) == 0
    for name in ("report.json", "predictions.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_predictions_are_those_of_the_model(field, tiny_model, tmp_path):
    run(field, "--output", tmp_path / "out")
    sound = tiny_model.encode_audio([audio.load(field / "dog" / "1.wav", audio.GALLERY_LIMITS).waveform])[0]
    scores = tiny_model.encode_text(["hund", "katze"], "de") @ sound
    wanted = "dog" if scores[0] > scores[1] else "cat"
    first = next(
        line for line in (tmp_path / "out" / "predictions.csv").read_text().splitlines() if "dog/1.wav,de,1" in line
    )
    assert first.split(",")[3] == wanted and float(first.split(",")[4]) == pytest.approx(np.max(scores), abs=1e-5)


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ("label,language,name\ndog,en,\n", [], "labels.csv: line 2: name is empty"),
        ("label,language\n", [], "line 1: no column is headed name"),
        (None, ["--languages", "sw"], "names 0 classes in 'sw'; wanted two or more. It has names in de, en"),
        (None, ["--truth", "absent.csv"], "cannot read absent.csv"),
        (None, ["--model", "cacarra"], "no model 'cacarra'"),
        (None, ["--output", "labels.csv/x"], "cannot make the folder labels.csv/x"),
    ],
)
def test_what_is_wrong_is_one_line(field, capsys, monkeypatch, change, arguments, message):
    monkeypatch.chdir(field.parent)
    if change:
        (field.parent / "labels.csv").write_text(change)
    assert run(field, *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error
    assert not field.with_name("field-classified").exists()


def test_a_folder_without_sounds_is_told(field, capsys):
    empty = field.parent / "empty"
    empty.mkdir()
    assert run(empty) == 1
    assert "holds no sounds or pictures" in capsys.readouterr().err
    (empty / "a.wav").write_text("no sound")
    assert run(empty) == 1
    assert "none of the 1 files can be used; the first: " in capsys.readouterr().err
