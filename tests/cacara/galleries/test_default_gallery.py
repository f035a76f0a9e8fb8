from __future__ import annotations

import dataclasses
import re

import pytest
from audio_files import tone

from cacara import sources
from cacara.errors import GalleryError, SourceError
from cacara.galleries import default_gallery, gallery, places
from cacara.galleries.default_gallery import TableRow
from cacara.galleries.manifest import SPLITS, find_problems
from cacara.media import audio

ROW = TableRow("bells", "usr/share/bell.wav", "0" * 64, "train", "effect", "bell", "a bell ringing", "CC0-1.0", "Ana")


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Two packages, of which one cannot be fetched; a sound of the other is not in it."""
    (tmp_path / "usr" / "share").mkdir(parents=True)
    audio.write_wav(tmp_path / "usr" / "share" / "bell.wav", tone(0.5))
    absent = dataclasses.replace(ROW, path="usr/share/gone.wav")
    table = (ROW, absent, dataclasses.replace(ROW, source="drums"))
    monkeypatch.setattr(default_gallery, "rows", lambda: table)
    monkeypatch.setattr(default_gallery.source_texts, "content_folder", lambda key, folder: folder)

    def fetch(key, report=None):
        if key != "bells":
            raise SourceError(f"no network for {key}")
        return tmp_path

    monkeypatch.setattr(sources, "fetch", fetch)


def test_the_table_holds_a_thousand_sounds_with_tux_paint_and_fits_into_set_up():
    rows = default_gallery.rows()
    assert len(rows) > 900
    assert len({(row.source, row.path) for row in rows}) == len({row.sha256 for row in rows}) == len(rows)
    used = [sources.source(key) for key in {row.source for row in rows}]
    assert {source.client for source in used} <= {"apt", "pip", "npm"}, "set-up needs no git repository"
    assert sum(source.megabytes for source in used) <= 150
    assert {row.split for row in rows} <= set(SPLITS) - {"test"} and {row.kind for row in rows} == {"effect", "music"}


def test_every_sound_has_a_plain_caption_an_open_licence_and_mostly_an_author():
    rows = default_gallery.rows()
    assert [row for row in rows if not re.fullmatch(r"[A-Za-z][A-Za-z ,'-]+", row.caption)] == []
    assert [row for row in rows if not row.licence or re.search("NC|ND|proprietary", row.licence)] == []
    assert sum(not row.author for row in rows) < 10


def test_a_sound_of_the_table_is_a_clip_and_what_cannot_be_had_is_told(packages):
    missing: list[str] = []
    (bell,) = default_gallery.clips(missing)
    assert (bell.clip_id, bell.split, bell.author, bell.caption("sw")) == (
        "bells/bell",
        "train",
        "Ana",
        "a bell ringing",
    )
    assert find_problems([bell]) == [] and missing == ["no network for drums"]


def test_the_default_gallery_does_without_packages_that_cannot_be_had(packages):
    found = gallery.load(None)
    assert [clip.clip_id for clip in found.clips] == ["bells/bell"] and found.name == gallery.DEFAULT
    assert "no network for tuxpaint" in found.notice and "1 packages could not be had" in found.notice


def test_no_package_at_all_is_an_error(monkeypatch, packages):
    monkeypatch.setattr(default_gallery, "rows", lambda: ())
    with pytest.raises(GalleryError, match="no sounds to search"):
        gallery.load(None)


def test_a_table_of_other_columns_is_refused(tmp_path, monkeypatch):
    table = tmp_path / "table.tsv"
    default_gallery.write([ROW], table)
    monkeypatch.setattr(default_gallery, "TABLE", table)
    assert default_gallery.rows.__wrapped__() == (ROW,)
    table.write_text(table.read_text().replace("caption", "says"), encoding="utf-8")
    with pytest.raises(GalleryError, match="has the columns"):
        default_gallery.rows.__wrapped__()


def test_a_place_is_the_same_in_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [places.place(text) for text in ("tuxpaint", "hf://datasets/me/mine@main")] == [
        "tuxpaint",
        "hf://datasets/me/mine@main",
    ]
    assert places.place("mine") == str(tmp_path / "mine")


@pytest.mark.weights
def test_the_real_gallery_has_a_thousand_sounds():
    found = gallery.load(None)
    assert len(found.clips) >= 1000 and found.notice == "" and find_problems(found.clips) == []
    assert {clip.split for clip in found.clips} == set(SPLITS)
    captions = " ".join(clip.caption() for clip in found.clips)
    assert all(word in captions for word in ("rain", "thunder", "footsteps", "barking"))
