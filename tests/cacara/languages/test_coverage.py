from __future__ import annotations

import json

import pytest

from cacara.commands.coverage import texts_of
from cacara.errors import CacaraError
from cacara.languages import coverage
from cacara.languages.coverage import Coverage, MeasuredRecall


def cut(texts):
    """Two letters a piece; a piece with an x is unknown."""
    pieces = [[text[at : at + 2] for at in range(0, len(text), 2)] for text in texts]
    return [(len(own), sum("x" in piece for piece in own)) for own in pieces]


def report(split: str = "dev", model: str = "m", code: str = "sw", hash: str = "abc") -> dict:
    figures = {"recall_at_10": 51.26, "ci95_recall_at_10": [40.04, 60.0], "chance_recall_at_10": 16.5, "queries": 9}
    return {
        "model": model,
        "split": split,
        "benchmark": {"name": "b", "hash": hash},
        "directions": {"text_to_audio": {code: figures}},
    }


def test_pieces_are_counted_on_a_languages_own_texts():
    texts = {"sw": ["abcd ef"] * 20, "th": ["กขคง"] * 20, "he": ["אבxx"] * 20, "ach": ["abcd"] * 19}
    rows = {row.code: row for row in coverage.build("m", "e", ["he", "ach", "th"], texts, cut, [report()]).rows}
    assert set(rows) == {"sw", "th", "he", "ach"}
    assert (rows["sw"].pieces_per_word, rows["sw"].pieces_per_text, rows["sw"].unknown_share) == (2.0, 4.0, 0.0)
    assert rows["th"].pieces_per_word is None and rows["th"].pieces_per_text == 2.0, "Thai is written without spaces"
    assert rows["he"].unknown_share == 0.5 and (rows["he"].script, rows["he"].direction) == ("Hebr", "rtl")
    assert rows["ach"].pieces_per_text is None and rows["ach"].texts == 19, "too few texts"
    assert rows["sw"].trained_on and not rows["ach"].trained_on
    assert rows["sw"].dev == MeasuredRecall(51.3, 40.0, 60.0, 16.5, 9) and rows["sw"].test is None


def test_rows_stand_by_name_and_no_language_twice():
    listed = coverage.build("m", "e", ["zh", "zh-Hans", "af", "sw"], {}, cut, [report()]).rows
    assert [row.code for row in listed] == ["af", "zh-Hans", "sw"]


@pytest.mark.parametrize(
    ("reports", "said"),
    [
        ([report(model="other")], "of the model other; wanted m"),
        ([report(), report()], "split 'dev'; wanted one report each of dev, test"),
        ([report(split="train")], "split 'train'"),
        ([report(), report("test", hash="def")], "wanted one benchmark"),
        ([{"model": "m"}], "lacks 'split'"),
    ],
)
def test_reports_that_do_not_fit_are_refused(reports, said):
    with pytest.raises(CacaraError, match=said):
        coverage.build("m", "e", ["sw"], {}, cut, reports)


def test_the_table_is_read_as_it_was_written_and_a_damaged_one_is_told(tmp_path):
    table = coverage.build("m", "e", ["sw"], {"sw": ["ab"] * 20}, cut, [report(), report("test")])
    assert Coverage.from_json(json.loads(json.dumps(table.to_json()))) == table
    with pytest.raises(CacaraError, match="make it anew: python -m cacara coverage"):
        Coverage.from_json({"rows": [{}]})
    (tmp_path / "coverage.json").write_text("{", encoding="utf-8")
    with pytest.raises(CacaraError, match=r"coverage\.json cannot be read"):
        coverage.load(tmp_path / "coverage.json")


def test_texts_come_from_cldr_and_where_it_has_none_from_tux_paint(tmp_path):
    folders = {key: tmp_path / key for key in ("cldr", "tuxpaint")}
    for code, names in {"sw": ["mbwa"] * 30, "pt-PT": ["cão"] * 3}.items():
        path = folders["cldr"] / code / "annotations.json"
        path.parent.mkdir(parents=True)
        rows = {str(number): {"tts": [name]} for number, name in enumerate(names)}
        path.write_text(json.dumps({"annotations": {"annotations": rows}}), encoding="utf-8")
    folders["tuxpaint"].mkdir()
    for number in range(20):
        lines = ["A dog.", "sw.utf8=Mbwa.", "pt_PT.utf8=Um cão.", "ach.utf8=Gwok.", "??.utf8=x"]
        (folders["tuxpaint"] / f"{number}.txt").write_text("\n".join(lines), encoding="utf-8")
    texts = texts_of(folders)
    assert texts["sw"] == ["mbwa"] * 30 and texts["pt-PT"] == ["Um cão."] * 20
    assert texts["ach"] == ["Gwok."] * 20 and texts["en"] == ["A dog."] * 20
    assert set(texts) == {"sw", "pt-PT", "ach", "en"}


def test_the_shipped_table_is_small_covers_what_the_model_knows_and_says_the_same_as_the_page():
    from cacara.commands.coverage import to_json, to_markdown
    from cacara.model import checkpoint

    table = coverage.load()
    assert coverage.PATH.stat().st_size <= 100_000 and coverage.PATH.read_text(encoding="utf-8") == to_json(table)
    known = {row.code for row in table.rows}
    model = checkpoint.read_config(checkpoint.find(table.model))
    assert set(model.languages) - known <= {"zh"} and len(known) >= 100 and model.text.backbone == table.encoder
    assert all(row.pieces_per_text is not None for row in table.rows)
    page = coverage.PATH.parents[2] / "docs" / "coverage.md"
    assert page.read_text(encoding="utf-8") == to_markdown(table)


def test_the_encoders_languages_are_spelled_as_ours():
    from cacara import languages

    assert {languages.normalise(code) for code in coverage.TRAINED_ON} == coverage.TRAINED_ON
    assert len(coverage.TRAINED_ON) == 93
