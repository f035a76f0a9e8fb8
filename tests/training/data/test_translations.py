from __future__ import annotations

import struct
from pathlib import Path

import pytest

from cacara.benchmark.dataset import benchmark_file
from cacara.benchmark.dataset.benchmark_file import ENTRY, UNSEEN, Rows, TextRow
from cacara.errors import ManifestError, SourceError
from cacara.sources.texts import text_hash
from training.data import translations
from training.data.benchmarks import held_out
from training.data.corpora import rules, split
from training.data.corpora.words import qt_messages
from training.data.translations import Translation

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "sounds-v1.jsonl"
MAGIC = bytes.fromhex("3cb86418caef9c95cd211cbf60a1bddd")


def benchmark_names() -> frozenset[str]:
    return translations.concept_names({row.concept for row in benchmark_file.read(BENCHMARK).sounds})


def qt_file(path: Path, messages: list[tuple[str, list[str]]]) -> Path:
    """A Qt translation with a hash section before the messages, as real ones have."""
    body = b""
    for source, forms in messages:
        for form in forms:
            text = form.encode("utf-16-be")
            body += struct.pack(">BI", 3, len(text)) + text
        body += struct.pack(">BI", 5, 77) + struct.pack(">BI", 8, 0xFFFFFFFF)
        body += struct.pack(">BI", 6, len(source.encode())) + source.encode() + b"\x01"
    path.write_bytes(MAGIC + struct.pack(">BI", 0x42, 8) + bytes(8) + struct.pack(">BI", 0x69, len(body)) + body)
    return path


def test_a_qt_translation_gives_its_pairs_and_the_first_plural_form(tmp_path):
    path = qt_file(
        tmp_path / "a.qm", [("Two cups", ["Zwei Tassen"]), ("%n cup(s)", ["%n Tasse", "%n Tassen"]), ("x", [])]
    )
    assert qt_messages.read(path) == [("Two cups", "Zwei Tassen"), ("%n cup(s)", "%n Tasse")]


@pytest.mark.parametrize("content", [b"", b"not Qt", MAGIC + struct.pack(">BI", 0x69, 3) + b"\x03\x00\x00"])
def test_a_damaged_qt_translation_is_told(tmp_path, content):
    (tmp_path / "a.qm").write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.qm cannot be read"):
        qt_messages.read(tmp_path / "a.qm")


def test_pairs_are_collected_normalised_and_unfit_ones_left_out(tmp_path):
    messages = [("Two  cups", ["Zwei Tassen"]), ("Same", ["Same"]), ("<b>Bold</b>", ["<b>Fett</b>"]), ("12", ["zwölf"])]
    qt_file(tmp_path / "gcompris_de.qm", messages)
    qt_file(tmp_path / "gcompris_en_GB.qm", [("Two cups", ["A pair of cups"])])
    qt_file(tmp_path / "gcompris_pt_BR.qm", [("Two cups", ["Duas xícaras"])])
    assert translations.collect({"gcompris": tmp_path}) == [
        Translation("Two cups", "de", "Zwei Tassen", "gcompris"),
        Translation("Two cups", "pt-BR", "Duas xícaras", "gcompris"),
    ]


def test_sentences_are_collected_where_they_are_asked_for(tmp_path):
    for suffix, text in {"swh": "Mbwa anabweka.", "eng": "The dog barks."}.items():
        path = tmp_path / "data" / "tatoeba" / "v1" / f"tatoeba.swh-eng.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    pairs = translations.collect({"tatoeba": tmp_path})
    assert pairs == [Translation("The dog barks.", "sw", "Mbwa anabweka.", "tatoeba")]
    assert translations.allowed(pairs, "strict", BENCHMARK) == []


def test_the_strict_policy_keeps_out_every_concept_of_the_benchmark_in_any_wording():
    texts = ("The dogs bark.", "a hornet", "Mice", "a washing machine", "A red chair.", "doggerel", "cathedral")
    pairs = [Translation(english, "de", f"Satz {number}", "cldr") for number, english in enumerate(texts)]
    kept = [pair.english for pair in translations.allowed(pairs, "strict", BENCHMARK)]
    assert kept == ["A red chair.", "doggerel", "cathedral"]


@pytest.mark.parametrize(
    "text", ["dog", "Dogs", "a bulldog", "hot dog", "KITTENS", "cock-a-doodle", "tom-tom", "puppies"]
)
def test_a_name_of_a_concept_is_known_in_plural_in_capitals_and_in_a_listed_compound(text):
    assert translations.names_any(text, benchmark_names())


@pytest.mark.parametrize(
    "text", ["red", "small", "an open book", "a white flag", "poodle", "slot machine", "pineapple"]
)
def test_adjectives_of_file_names_and_kinds_with_words_of_their_own_name_no_concept(text):
    assert not translations.names_any(text, benchmark_names())


def test_further_names_are_of_concepts_that_the_benchmark_has():
    named = {concept for _, (concept, _) in rules.read_table(rules.TABLES / "names.tsv", columns=2)}
    assert named <= {row.concept for rows in split.benchmarks(BENCHMARK) for row in rows.sounds}


def test_the_studio_policy_keeps_out_the_descriptions_of_test_stamps_alone():
    pairs = [
        Translation("A dog.", "de", "Ein beliebiger Hund", "tuxpaint"),
        Translation("dog", "de", "Ein ganz anderer Hund", "cldr"),
        Translation("A house with a garden", "de", "Ein Haus mit Garten", "tuxpaint"),
    ]
    assert translations.allowed(pairs, "studio", BENCHMARK) == pairs[1:]


def test_an_unknown_policy_lists_the_known_ones():
    with pytest.raises(ManifestError, match="unknown policy 'loose'; wanted one of strict, studio"):
        translations.allowed([], "loose", BENCHMARK)


@pytest.mark.weights
def test_no_benchmark_string_is_among_the_pairs_of_either_policy():
    from cacara import sources
    from cacara.benchmark.dataset import splits
    from cacara.sources.texts import text_hash

    pairs = translations.collect({key: sources.fetch(key) for key in ("cldr", "tuxpaint")})
    assert len(pairs) > 200_000
    keys = splits.required_sources(BENCHMARK, "test")
    test = splits.load(BENCHMARK, "test", {key: sources.fetch(key) for key in keys})
    forbidden = {text_hash(query.text) for query in test.queries}
    for policy in translations.POLICIES:
        assert not [p for p in translations.allowed(pairs, policy, BENCHMARK) if text_hash(p.text) in forbidden]


@pytest.mark.weights
@pytest.mark.parametrize("split", ["dev", "test"])
def test_every_english_text_of_the_benchmark_names_its_concept(split):
    from cacara import sources
    from cacara.benchmark.dataset import splits

    keys = splits.required_sources(BENCHMARK, split)
    resolved = splits.load(BENCHMARK, split, {key: sources.fetch(key) for key in keys})
    english = [query for query in resolved.queries if query.language == "en"]
    assert len(english) > 50
    unnamed = [q.text for q in english if not translations.names_any(q.text, translations.concept_names({q.concept}))]
    assert unnamed == []


def test_what_dev_2_calls_unseen_no_policy_allows(tmp_path):
    texts = [
        TextRow("dev", "rain", "en", "own", "own", text_hash("rain"), "rain", ENTRY),
        TextRow("dev", "rain", "de", "own", "own", text_hash("Es regnet."), "Es regnet.", UNSEEN),
        TextRow("dev", "rain", "de", "own", "own", text_hash("Regen"), "Regen", ENTRY),
    ]
    benchmark_file.write(Rows("sounds-v1", 1, {}, (), ()), tmp_path / "sounds-v1.jsonl")
    benchmark_file.write(Rows("dev-2", 1, {}, (), tuple(texts)), tmp_path / "dev-2.jsonl")
    pairs = [Translation("It pours", "de", text, "x") for text in ("Es regnet.", "Regen", "Es gießt.")]
    assert [pair.text for pair in translations.allowed(pairs, "studio", tmp_path / "sounds-v1.jsonl")] == [
        "Regen",
        "Es gießt.",
    ]
    assert [pair.text for pair in translations.allowed(pairs, "strict", tmp_path / "sounds-v1.jsonl")] == ["Es gießt."]
    (tmp_path / "images.jsonl").write_text('{"benchmark": "i", "version": 1, "rules": {}}\n', encoding="utf-8")
    kept_out = held_out.read(tmp_path / "sounds-v1.jsonl", tmp_path / "images.jsonl", tmp_path)
    assert not kept_out.allows("It rains", "Es regnet", "studio")  # a lexicon writes no full stop
    assert kept_out.allows("rain", "Regen", "studio") and not kept_out.allows("It rains", "Regen", "strict")
