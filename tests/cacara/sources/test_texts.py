from __future__ import annotations

import json

import pytest

from cacara.sources.texts import LINE_FORMATS, TEXT_READERS, FrigateTexts, LineTexts


def test_a_name_of_frigate_is_read_by_locale_file_and_key(tmp_path):
    locale = tmp_path / "web/public/locales/de"
    locale.mkdir(parents=True)
    (locale / "audio.json").write_text(json.dumps({"bell": " Glocke "}), encoding="utf-8")
    read = FrigateTexts(tmp_path)
    assert read("de/audio.json#bell") == "Glocke"
    for missing, error in (("de/audio.json#gong", KeyError), ("fr/audio.json#bell", OSError)):
        with pytest.raises(error):
            read(missing)


@pytest.mark.parametrize(
    ("source", "member", "content", "entries"),
    [
        ("gatitos", "gatitos/en_ti.tsv", "a bell\tደወል, ቃጭል\nrain\tማይ", {"1/1": "ደወል", "1/2": "ቃጭል", "2": "ማይ"}),
        ("panlexia", "dict/S/swh.tsv", "id\tstyle\tword\nPWN:rain.n.01\t\tmvua\n", {"1": "word", "2": "mvua"}),
        ("omw-wikt", "wns/wikt/wn-wikt-swh.tab", "#\n09407346-n\tswh:lemma\tmvua", {"2": "mvua"}),
        (
            "tatoeba",
            "data/tatoeba/v1/tatoeba.swh-eng.swh",
            "Kunanyesha.\nNina njaa.",
            {"1": "Kunanyesha.", "2": "Nina njaa."},
        ),
    ],
)
def test_texts_of_a_file_of_lines_are_read_where_they_are_said_to_stand(tmp_path, source, member, content, entries):
    (tmp_path / member).parent.mkdir(parents=True)
    (tmp_path / member).write_text(content, encoding="utf-8")
    reader = LineTexts(source, LINE_FORMATS[source], tmp_path)
    found = {reference.partition("#")[2]: text for reference, text in reader.entries(member) if text}
    assert found == entries
    again = TEXT_READERS[source](tmp_path)
    assert {place: again(f"{member}#{place}") for place in entries} == entries
    with pytest.raises(LookupError):
        again(f"{member}#99")
