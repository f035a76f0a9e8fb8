from __future__ import annotations

import csv
import io

import pytest

from cacara.errors import QueryError
from cacara.recordings.export import Search, export
from cacara.recordings.long_recordings import Passage

HOSTILE = '=cmd|"<b>\x00\x0b"\n]]>&'
SEARCHES = [
    Search("mbwa", "sw", (Passage(1, 10.0, 12.5, 0.41, 5.0), Passage(2, 3.0, 4.0, 0.2, 1.0))),
    Search(HOSTILE, None, (Passage(1, 0.0, 60.0, 0.3, 2.0),)),
    Search("mbwa", "sw", ()),
]


def written(tmp_path, suffix):
    path = tmp_path / f"made{suffix}"
    path.write_bytes(export(suffix, "tape <1>.wav", 60.0, SEARCHES))
    return path


def test_elan_reads_what_was_found(tmp_path):
    from pympi import Elan

    eaf = Elan.Eaf(written(tmp_path, ".eaf"), suppress_version_warning=True)
    assert list(eaf.get_tier_names())[0] == "mbwa (sw)" and len(eaf.get_tier_names()) == 3
    spans = sorted(entry[:3] for entry in eaf.get_annotation_data_for_tier("mbwa (sw)"))
    assert spans == [(3000, 4000, "mbwa · 0.200"), (10000, 12500, "mbwa · 0.410")]
    hostile = next(name for name in eaf.get_tier_names() if "cmd" in name)
    assert hostile == '=cmd|"<b> " ]]>&'
    assert [media["RELATIVE_MEDIA_URL"] for media in eaf.media_descriptors] == ["./tape <1>.wav"]
    assert "mbwa (sw) 2" in eaf.get_tier_names(), "two searches never share a tier"


@pytest.mark.parametrize("name", ["two  spaces.wav", "می\u200cخواهم.wav", "\U0001e4d0\ue000.wav", "a\u00a0b.wav"])
def test_the_link_to_the_recording_is_its_name_to_the_letter(tmp_path, name):
    from pympi import Elan

    path = tmp_path / "made.eaf"
    query = Search("\U0001e4d0\ue000", None, ())
    path.write_bytes(export(".eaf", name, 60.0, [query]))
    eaf = Elan.Eaf(path, suppress_version_warning=True)
    assert [media["RELATIVE_MEDIA_URL"] for media in eaf.media_descriptors] == [f"./{name}"]
    assert list(eaf.get_tier_names()) == ["\U0001e4d0\ue000"]
    path.write_bytes(export(".eaf", "\x1b\ud800\n.wav", 60.0, [query]))
    assert Elan.Eaf(path, suppress_version_warning=True).media_descriptors[0]["MEDIA_URL"] == "\\x1b\\ud800\\x0a.wav"


def test_praat_reads_what_was_found(tmp_path):
    from pympi import Praat

    grid = Praat.TextGrid(str(written(tmp_path, ".TextGrid")), codec="utf-8")
    assert [name for _, name in grid.get_tier_name_num()][0] == "mbwa (sw)" and grid.xmax == 60
    found = [entry for entry in grid.get_tier("mbwa (sw)").get_all_intervals() if entry[2]]
    assert found == [(3.0, 4.0, "mbwa · 0.200"), (10.0, 12.5, "mbwa · 0.410")]
    hostile = [name for _, name in grid.get_tier_name_num()][1]
    assert hostile == '=cmd|"<b> " ]]>&'


def test_a_spreadsheet_reads_rows_and_no_formula(tmp_path):
    rows = list(csv.DictReader(io.StringIO(written(tmp_path, ".csv").read_text(encoding="utf-8-sig"))))
    assert [row["start_seconds"] for row in rows] == ["10.000", "3.000", "0.000"]
    assert rows[2]["query"].startswith("'=cmd") and "\n" not in rows[2]["query"]
    assert rows[0]["recording"] == "tape <1>.wav"


@pytest.mark.parametrize("suffix", [".eaf", ".TextGrid", ".csv"])
def test_equal_results_give_equal_bytes(suffix):
    assert export(suffix, "a.wav", 60.0, SEARCHES) == export(suffix.upper(), "a.wav", 60.0, SEARCHES)


def test_what_cannot_be_exported_is_told():
    with pytest.raises(QueryError, match="wanted one of .eaf"):
        export(".xlsx", "a.wav", 1.0, SEARCHES)
    with pytest.raises(QueryError, match="search first"):
        export(".csv", "a.wav", 1.0, [])
