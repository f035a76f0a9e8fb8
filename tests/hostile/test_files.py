"""Files that are made to hurt: bombs, other files behind them, formulas, code."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from feedback_examples import judgement

from cacara.errors import AudioError, CacaraError, CheckpointError, ImageError, RegistryError
from cacara.galleries import manifest
from cacara.media import audio, images, video
from cacara.model import checkpoint
from cacara.model.parts.acquirer_files import read as read_acquirer
from cacara.model.registry import Registry
from cacara.recordings import export as annotation_export
from cacara.recordings import long_recordings
from cacara.search import classification
from cacara.words import word_lists
from feedback_db import FeedbackError
from feedback_db.exchange import importing
from feedback_db.exchange.export import export
from feedback_db.exchange.importing import read_file
from feedback_db.exchange.table import from_cells, to_cells
from feedback_db.records.lines import from_line

SECRET = "nobody may read this"


class Trap:
    """Runs when it is unpickled."""

    def __init__(self, witness):
        self.witness = str(witness)

    def __reduce__(self):
        return os.mkdir, (self.witness,)


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{path}\n#EXT-X-ENDLIST\n",
    "hls-file": "#EXTM3U\n#EXTINF:9,\nfile://{path}\n",
    "ffconcat": "ffconcat version 1.0\nfile '{path}'\n",
    "concat": "concat:{path}|{path}",
    "subfile": "subfile,,start,0,end,99,,:{path}",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
    "dash": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>{path}</BaseURL></Period></MPD>',
    "smil": '<smil><body><audio src="{path}"/></body></smil>',
    "http": "#EXTM3U\nhttp://127.0.0.1:1/x.wav\n",
}


@pytest.mark.parametrize("ending", [".m3u8", ".wav", ".mp4"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_leads_to_no_other_file(kind, ending, tmp_path, noise):
    audio.write_wav(tmp_path / "secret.wav", noise)
    path = tmp_path / f"list{ending}"
    path.write_text(PLAYLISTS[kind].format(path=tmp_path / "secret.wav"), encoding="utf-8")
    with pytest.raises(AudioError):
        audio.load(path, audio.GALLERY_LIMITS)
    with path.open("rb", buffering=0) as file, pytest.raises(ImageError):
        video.decode(file, video.UPLOAD_LIMITS)
    with pytest.raises(ImageError):
        images.load(path)


@pytest.mark.parametrize(
    "path", ["concat:a|b", "http://127.0.0.1/x", "/dev/zero", "/proc/self/mem", "a\0b", "\ud800", "data:,x"]
)
def test_what_is_no_file_is_no_sound_and_no_picture(path):
    with pytest.raises(AudioError):
        audio.load(path, audio.GALLERY_LIMITS)
    with pytest.raises(ImageError):
        images.load(path)


def png(width, height, rows=b""):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (1 << 30, 1), (6_400, 6_400)])
def test_a_small_picture_of_a_billion_pixels_is_refused_before_it_is_decoded(width, height, tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(width, height, zlib.compress(bytes(1 << 20))))
    with pytest.raises(ImageError, match="pixels|wanted at least"):
        images.load(path)


def test_a_picture_whose_text_unpacks_to_much_is_refused_or_read_without_it(tmp_path):
    text = b"Comment\0\0" + zlib.compress(bytes(16 << 20))
    bomb = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    whole = png(8, 8, zlib.compress(bytes(8 * (1 + 24))))
    path = tmp_path / "bomb.png"
    path.write_bytes(whole[:33] + bomb + whole[33:])
    try:
        assert max(images.load(path).shape) <= images.LONGEST_SIDE
    except ImageError:
        pass


def test_a_drawing_that_names_another_file_is_not_read_from_a_visitor(tmp_path):
    (tmp_path / "secret.txt").write_text(SECRET)
    path = tmp_path / "drawing.svg"
    path.write_text(
        f'<!DOCTYPE svg [<!ENTITY x SYSTEM "{tmp_path}/secret.txt">]><svg xmlns="http://www.w3.org/2000/svg">&x;</svg>'
    )
    with pytest.raises(ImageError) as caught:
        images.load(path)
    assert SECRET not in str(caught.value)


def test_a_long_silence_in_a_small_file_is_cut(tmp_path):
    import av

    path = tmp_path / "silence.flac"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=8_000, layout="mono")
        for _ in range(60):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 80_000), np.int16), format="s16", layout="mono")
            frame.sample_rate = 8_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert path.stat().st_size < 1 << 20
    heard = audio.load(path, audio.GALLERY_LIMITS)
    assert (heard.cut, heard.waveform.size) == (True, 30 * audio.SAMPLE_RATE_HZ)


def bomb(path, rows, text):
    import pyarrow
    from pyarrow import parquet

    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(rows, np.int32)), pyarrow.array([text]))
    parquet.write_table(pyarrow.table({"type": column}), path, compression="zstd")
    return path


def test_a_small_parquet_file_of_many_long_rows_is_refused(tmp_path):
    path = bomb(tmp_path / "long.parquet", 200_000, "x" * 1_000_000)  # 200 GB, were it unpacked
    assert path.stat().st_size < 1 << 20
    with pytest.raises(FeedbackError, match="1,000,000 bytes in type"):
        read_file(path)


def test_a_parquet_file_of_too_many_rows_or_columns_is_refused(tmp_path, monkeypatch):
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({f"c{number}": [1] for number in range(300)}), tmp_path / "wide.parquet")
    with pytest.raises(FeedbackError, match="300 columns"):
        read_file(tmp_path / "wide.parquet")
    monkeypatch.setattr(importing, "MAX_ROWS", 10)
    with pytest.raises(FeedbackError, match="11 rows, wanted at most 10"):
        read_file(bomb(tmp_path / "many.parquet", 11, "judgement"))


def test_a_damaged_parquet_file_that_aborts_its_reader_leaves_the_app_alive(tmp_path):
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "damaged.parquet"
    parquet.write_table(pyarrow.table({"type": ["judgement", None]}), path)
    content = bytearray(path.read_bytes())
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[footer + 20] += 1  # the library throws where nobody catches, and the process aborts
    path.write_bytes(content)
    with pytest.raises(FeedbackError, match="the reader failed on this file .code -6., wanted an undamaged"):
        read_file(path)


def test_the_reader_of_parquet_gets_four_gib_and_no_more():
    greedy = "from feedback_db.exchange import parquet_rows; parquet_rows._confine(); bytearray(5 << 30)"
    done = subprocess.run([sys.executable, "-c", greedy], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 1 and "MemoryError" in done.stderr


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_file_of_too_many_rows_is_refused(ending, tmp_path, monkeypatch):
    path = tmp_path / f"many.{ending}"
    export([judgement() for _ in range(3)], path, ending)
    monkeypatch.setattr(importing, "MAX_ROWS", 2)
    with pytest.raises(FeedbackError, match="more than 2 rows"):
        read_file(path)


def test_a_line_without_an_end_is_passed_over_and_the_next_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "MAX_LINE_CHARACTERS", 2_000)
    monkeypatch.setattr("feedback_db.records.lines.MAX_LINE_CHARACTERS", 2_000)
    export([judgement()], tmp_path / "one.jsonl", "jsonl")
    path = tmp_path / "long.jsonl"
    path.write_bytes(b'{"type": "' + b"a" * 50_000 + b'"}\n' + (tmp_path / "one.jsonl").read_bytes())
    found = read_file(path)
    assert [line for line, _ in found.problems] == [1]
    assert [line for line, _ in found.records] == [2]
    (tmp_path / "long.csv").write_text("type\n" + "a" * 50_000)
    with pytest.raises(FeedbackError, match="line 2 has more than 2,000 characters"):
        read_file(tmp_path / "long.csv")


@pytest.mark.parametrize(
    "content", ["[" * 200_000, '{"a":' * 100_000, '"' + "\\ud800" * 5 + '"', "9" * 5_000, "NaN", "nul\0"]
)
def test_json_that_is_deep_long_or_odd_is_one_clear_error(content, tmp_path):
    with pytest.raises(FeedbackError):
        from_line(content)
    path = tmp_path / "clips.jsonl"
    path.write_text(content + "\n", encoding="utf-8")
    with pytest.raises(CacaraError):
        manifest.read_clips(path)


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", '=HYPERLINK("http://x")', "'=1", "'  -1"]


def is_formula(cell):
    return cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))


@pytest.mark.parametrize("text", FORMULAS)
def test_no_export_of_feedback_holds_a_formula_and_what_was_said_comes_back(text, tmp_path):
    record = judgement(query_text=text, comment=text)
    cells = to_cells(record)
    assert not is_formula(cells["query_text"]) and not is_formula(cells["comment"])
    assert from_cells(cells) == record
    export([record], tmp_path / "out.csv", "csv")
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        assert not any(
            is_formula(cell)
            for row in csv.reader(file)
            for cell in row
            if not cell.lstrip("-").replace(".", "").isdigit()
        )


@pytest.mark.parametrize("text", FORMULAS)
def test_no_table_of_predictions_or_passages_holds_a_formula(text):
    prediction = classification.Prediction(text, "en", (text,), (0.5,), None)
    table = classification.to_csv([prediction], {text: text})
    passage = long_recordings.Passage(1, 0.0, 1.0, 0.5, 0.5)
    found = annotation_export.Search(text, "en", (passage,))
    rows = [
        *csv.reader(io.StringIO(table)),
        *csv.reader(io.StringIO(annotation_export.export(".csv", text, 1.0, [found]).decode("utf-8-sig"))),
    ]
    assert not any(is_formula(cell) for row in rows for cell in row)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "acquirers/xx.safetensors"])
def test_a_pickle_in_a_model_folder_is_refused_and_never_run(name, tmp_path):
    witness, folder = tmp_path / "ran", tmp_path / "model"
    (folder / "acquirers").mkdir(parents=True)
    for each in checkpoint.FILES:
        (folder / each).write_bytes(b"{}")
    (folder / name).write_bytes(pickle.dumps(Trap(witness)))
    with pytest.raises(CheckpointError):
        if name.startswith("acquirers"):
            read_acquirer(folder / name)
        checkpoint.load(folder, "cpu")
    assert not witness.exists()


@pytest.mark.parametrize(
    "model_id", ["../../etc", "/etc", "cacara/../../x", "file:///etc", "cacara\0", "C:\\x", "", "\ud800", "x" * 5_000]
)
def test_no_model_outside_the_models_folder_can_be_asked_for(model_id, tmp_path):
    with pytest.raises(RegistryError) as caught:
        Registry(tmp_path / "models").find(model_id)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("name", ["../out", "/etc", "a/b", "..", ""])
def test_a_registry_that_names_a_folder_elsewhere_is_refused(name, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    row = {"model_id": "x@1", "name": name, "version": "1", "promoted_utc": "2026-01-01", "forced": False, "gate": {}}
    content = {"format_version": 1, "stack": [], "models": [row], "history": []}
    (models / "registry.json").write_text(json.dumps(content))
    with pytest.raises(CacaraError):
        Registry(models).entries()


@pytest.mark.parametrize("mark", list("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
def test_direction_marks_cannot_turn_a_word_list_round(mark):
    (entry,) = word_lists.read(f"de\tHund{mark}gnp.exe\n").entries
    assert entry.text == "Hundgnp.exe"


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "nul\0nul"])
def test_text_that_no_database_holds_is_refused_by_name(text):
    with pytest.raises(FeedbackError, match="query_text"):
        judgement(query_text=text)
