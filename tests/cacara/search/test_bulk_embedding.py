from __future__ import annotations

import argparse
import wave

import numpy as np
import pytest

from cacara.commands import index
from cacara.errors import CacaraError, GalleryError
from cacara.search import bulk_embedding
from cacara.search.engines import open_index


def write_wav(path, waveform):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((waveform * 20_000).astype(np.int16).tobytes())


@pytest.fixture
def folder(tmp_path, monkeypatch, noise):
    """Five sounds and one file that is none, in pieces of two."""
    monkeypatch.setattr(bulk_embedding, "FILES_A_PIECE", 2)
    folder = tmp_path / "sounds"
    (folder / "deep").mkdir(parents=True)
    for number in range(5):
        write_wav(folder / ("deep" if number % 2 else "") / f"{number}.wav", noise[number * 1000 :])
    (folder / "torn.flac").write_bytes(b"fLaC and nothing")
    (folder / "readme.txt").write_text("no sound")
    return folder


def all_of(model, work):
    found = [bulk_embedding.read(model, work, piece.number) for piece in bulk_embedding.pieces(work)]
    return {name: row.tobytes() for piece in found for name, row in zip(piece.ids, piece.embeddings, strict=True)}


def test_two_processes_leave_what_one_leaves(folder, tiny_model, tmp_path):
    for work, processes in ((tmp_path / "one", 1), (tmp_path / "two", 2)):
        assert bulk_embedding.list_folder(folder, work) == 3
        for process in range(processes):
            bulk_embedding.embed_folder(tiny_model, folder, work, process, processes)
    assert all_of(tiny_model, tmp_path / "one") == all_of(tiny_model, tmp_path / "two")
    assert sorted(all_of(tiny_model, tmp_path / "one")) == ["0.wav", "2.wav", "4.wav", "deep/1.wav", "deep/3.wav"]


def test_a_stopped_run_goes_on_where_it_was(folder, tiny_model, tmp_path):
    work = tmp_path / "work"
    bulk_embedding.list_folder(folder, work)
    bulk_embedding.embed_folder(tiny_model, folder, work)
    first, *others = sorted(bulk_embedding.pieces_folder(work, tiny_model).glob("piece-*.npz"))
    before = {path: path.stat().st_mtime_ns for path in others}
    first.unlink()
    bulk_embedding.embed_folder(tiny_model, folder, work)
    assert first.is_file() and {path: path.stat().st_mtime_ns for path in others} == before


def test_new_and_changed_sounds_are_appended_and_the_rest_stays(folder, tiny_model, tmp_path, noise):
    work = tmp_path / "work"
    bulk_embedding.list_folder(folder, work)
    before = list(bulk_embedding.pieces(work))
    write_wav(folder / "0.wav", noise[:9000])
    write_wav(folder / "new.wav", noise)
    assert bulk_embedding.list_folder(folder, work) == 4
    assert list(bulk_embedding.pieces(work)) == [*before, bulk_embedding.Piece(3, ("0.wav", "new.wav"))]
    assert bulk_embedding.list_folder(folder, work) == 4


def test_what_cannot_be_read_is_told_and_left_out(folder, tiny_model, tmp_path):
    bulk_embedding.list_folder(folder, tmp_path / "work")
    bulk_embedding.embed_folder(tiny_model, folder, tmp_path / "work")
    pieces = bulk_embedding.pieces(tmp_path / "work")
    skipped = [
        line for piece in pieces for line in bulk_embedding.read(tiny_model, tmp_path / "work", piece.number).skipped
    ]
    assert len(skipped) == 1 and skipped[0].startswith("torn.flac: ")


def test_a_damaged_piece_is_named(folder, tiny_model, tmp_path):
    bulk_embedding.list_folder(folder, tmp_path / "work")
    bulk_embedding.embed_folder(tiny_model, folder, tmp_path / "work")
    piece = next(bulk_embedding.pieces_folder(tmp_path / "work", tiny_model).glob("*1.npz"))
    piece.write_bytes(b"PK torn")
    with pytest.raises(GalleryError, match="delete it and run again"):
        bulk_embedding.read(tiny_model, tmp_path / "work", 1)


def test_a_folder_without_sounds_is_refused(tmp_path):
    with pytest.raises(GalleryError, match="no folder"):
        bulk_embedding.list_folder(tmp_path / "none", tmp_path / "work")
    (tmp_path / "empty").mkdir()
    with pytest.raises(GalleryError, match="holds no sounds"):
        bulk_embedding.list_folder(tmp_path / "empty", tmp_path / "work")


def test_an_index_is_filled_once_and_searched_by_name(folder, tiny_model, tmp_path, capsys):
    work, uri = tmp_path / "work", f"exact:{tmp_path / 'index'}"
    bulk_embedding.list_folder(folder, work)
    bulk_embedding.embed_folder(tiny_model, folder, work)
    for _ in range(2):
        index.fill(tiny_model, open_index(uri, tiny_model.dimension), uri, work)
    told = capsys.readouterr()
    assert "5 sounds × 32, 1 skipped" in told.out and "skipped torn.flac" in told.err
    assert len(list((tmp_path / "index").glob("segment-*.npz"))) == 3
    options = argparse.Namespace(language="de", top=2)
    index.search(tiny_model, open_index(uri, tiny_model.dimension), "hund", options)
    lines = capsys.readouterr().out.splitlines()
    wanted = open_index(uri, 32).nearest(tiny_model.encode_text(["hund"], "de"), 2)[0]
    assert [line.split()[-1] for line in lines[1:]] == [hit.item_id for hit in wanted]


def test_an_index_of_another_model_is_not_mixed(folder, tiny_model, seeing_model, tmp_path):
    work, uri = tmp_path / "work", f"exact:{tmp_path / 'index'}"
    bulk_embedding.list_folder(folder, work)
    for model in (tiny_model, seeing_model):
        bulk_embedding.embed_folder(model, folder, work)
    index.fill(tiny_model, open_index(uri, 32), uri, work)
    with pytest.raises(CacaraError, match="holds embeddings of tiny-tiny"):
        index.fill(seeing_model, open_index(uri, 32), uri, work)
    assert np.isfinite(open_index(uri, 32).nearest(np.ones((1, 32)), 1)[0][0].score)
