"""Linguists' formats, each with a small file of the layout that its own program writes."""

from __future__ import annotations

import io
import json
import zipfile

import openpyxl
import pytest

from cacara.errors import CacaraError, QueryError
from cacara.words import dictionaries, pair_tables, word_lists
from cacara_files.tables import TableError, workbooks

LIFT = """<?xml version="1.0" encoding="UTF-8" ?>
<lift producer="SIL.FLEx 9.1" version="0.13"><header/>
<entry dateCreated="2024-05-01T10:00:00Z" id="mbwa_1" guid="1"><lexical-unit><form lang="sw"><text>mbwa</text></form>
</lexical-unit><trait name="morph-type" value="stem"/><sense id="s1"><grammatical-info value="Noun"/>
<gloss lang="en"><text>dog; hound</text></gloss><gloss lang="fr"><text>chien</text></gloss></sense></entry>
<entry id="paka_2"><lexical-unit><form lang="sw"><text>paka <span lang="sw">mdogo</span></text></form></lexical-unit>
<sense id="s2"><definition><form lang="en"><text>a small cat</text></form></definition></sense></entry>
<entry id="mvua_3"><lexical-unit><form lang="sw"><text>mvua</text></form></lexical-unit></entry></lift>"""
TOOLBOX = r"""\_sh v3.0  400  MDF 4.0

\lx mbwa
\ps n
\ge dog
\de the animal that barks
\dt 01/May/2024

\lx kengele
\sn 1
\ge bell
\sn 2
\ge chime; alarm

\lx radi
\de thunder,
continued on a second line
"""
FORMS = """ID,Local_ID,Language_ID,Parameter_ID,Value,Form
1,,swahili,1,mbwa / jibwa,mbwa
2,,deu,1,Hund,Hund
3,,deu,2,Regen,Regen
"""
TERMS = "http://cldf.clld.org/v1.0/terms.rdf#"


def cldf(folder: str = "list/cldf/", forms_heading: str = "Form") -> bytes:
    described = {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "en"}],
        "dc:conformsTo": f"{TERMS}Wordlist",
        "tables": [
            {
                "url": "forms.csv",
                "dc:conformsTo": f"{TERMS}FormTable",
                "tableSchema": {"columns": [{"name": forms_heading, "propertyUrl": f"{TERMS}form"}]},
            },
            {"url": "http://example.org/languages.csv", "dc:conformsTo": f"{TERMS}LanguageTable"},
            {"url": "parameters.csv", "dc:conformsTo": f"{TERMS}ParameterTable"},
        ],
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("list/metadata.json", '{"title": "of the repository, not of the dataset"}')
        archive.writestr(f"{folder}Wordlist-metadata.json", json.dumps(described))
        archive.writestr(f"{folder}forms.csv", FORMS.replace(",Form\n", f",{forms_heading}\n"))
        archive.writestr(
            f"{folder}languages.csv",
            "ID,Name,Glottocode,ISO639P3code\nswahili,Swahili,swah1253,swh\ndeu,German,stan1295,\n",
        )
        archive.writestr(
            f"{folder}parameters.csv", "ID,Name,Concepticon_ID,Concepticon_Gloss\n1,dog,2009,DOG\n2,,658,RAIN\n"
        )
    return content.getvalue()


def workbook(rows, first_sheet_is_empty: bool = False) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.create_sheet("Words") if first_sheet_is_empty else book.active
    for row in rows:
        sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def saved(tmp_path, name: str, content: str | bytes):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def listed(path):
    found = word_lists.read_file(path)
    assert not found.problems
    return [(entry.language, entry.text, entry.concept) for entry in found.entries], found.preview


def test_a_lift_file_of_fieldworks(tmp_path):
    path = saved(tmp_path, "export.lift", LIFT)
    entries, preview = listed(path)
    assert entries == [
        ("sw", "mbwa", "dog"),
        ("sw", "mbwa", "hound"),
        ("sw", "paka mdogo", "a small cat"),
        ("sw", "mvua", ""),
    ]
    assert preview.encoding == "LIFT" and preview.rows[0] == ("sw", "mbwa", "dog")
    pairs = pair_tables.read_file(path, 1 << 20, "sw")
    assert pairs.pairs == (("dog", "mbwa"), ("hound", "mbwa"), ("a small cat", "paka mdogo"))
    assert [(line, fault.kind) for line, fault in pairs.faults] == [(3, "empty")], "the third entry has no English"


def test_a_toolbox_file_is_in_the_language_of_its_name(tmp_path):
    wanted = [("mbwa", "dog"), ("kengele", "bell"), ("kengele", "chime"), ("kengele", "alarm"), ("radi", "thunder,")]
    entries, preview = listed(saved(tmp_path, "sw.txt", TOOLBOX))
    assert entries == [("sw", text, concept) for text, concept in wanted]
    assert preview.encoding == "Toolbox"
    pairs = pair_tables.read_file(saved(tmp_path, "dictionary.db", TOOLBOX), 1 << 20, "sw")
    assert pairs.pairs == tuple((english, text) for text, english in wanted)
    with pytest.raises(CacaraError, match="does not say which language.*'sw.txt'"):
        word_lists.read_file(saved(tmp_path, "dictionary.txt", TOOLBOX))


@pytest.mark.parametrize("archive", [cldf(), cldf("", "Lexeme")], ids=["repository", "other headings"])
def test_a_cldf_word_list(tmp_path, archive):
    path = saved(tmp_path, "list.zip", archive)
    entries, preview = listed(path)
    assert entries == [("sw", "mbwa", "dog"), ("de", "Hund", "dog"), ("de", "Regen", "rain")]
    assert preview.encoding == "CLDF"
    assert pair_tables.read_file(path, 1 << 20, "de").pairs == (("dog", "Hund"), ("rain", "Regen"))
    with pytest.raises(QueryError, match=r"words of 2 languages \(sw.*, de.*\) and none of fr; wanted one of them"):
        pair_tables.read_file(path, 1 << 20, "fr")


def test_a_workbook_of_excel(tmp_path):
    rows = [("Concept", "sw", "de"), ("dog", "mbwa", "Hund"), (), ("two", 2, 2.0)]
    path = saved(tmp_path, "words.xlsx", workbook(rows, first_sheet_is_empty=True))
    entries, preview = listed(path)
    assert entries == [("sw", "mbwa", "dog"), ("de", "Hund", "dog"), ("sw", "2", "two"), ("de", "2", "two")]
    assert preview.encoding == "Excel, sheet 'Words'"
    path = saved(tmp_path, "pairs.xlsx", workbook([("Acholi", "English"), ("gwok", "dog")]))
    assert pair_tables.read_file(path, 1 << 20, "ach").pairs == (("dog", "gwok"),)


def test_hostile_files_are_refused_in_one_line(tmp_path, monkeypatch):
    bomb = LIFT.replace("<lift", '<!DOCTYPE x [<!ENTITY a "aaaa">]><lift', 1)
    monkeypatch.setattr(workbooks, "MAX_UNPACKED_BYTES", 1000)
    monkeypatch.setattr(dictionaries, "MAX_UNPACKED_BYTES", 500)
    refusals = {
        "declares entities": ("a.lift", bomb),
        "LIFT file is damaged": ("b.lift", LIFT[:500]),
        "LIFT file has no words": ("c.lift", "<lift></lift>"),
        "workbook unpacks to": ("d.xlsx", workbook([("en", "dog")])),
        "unpacks to .* at most 500": ("e.zip", cldf()),
        "the zip is damaged": ("f.zip", b"PK\x03\x04" + b"metadata.json" * 9),
        "description of a CLDF dataset alone": ("g.json", json.dumps({"dc:conformsTo": f"{TERMS}Wordlist"})),
    }
    for reason, (name, content) in refusals.items():
        with pytest.raises(CacaraError, match=reason) as refusal:
            word_lists.read_file(saved(tmp_path, name, content))
        assert "\n" not in str(refusal.value)


def test_no_dictionary_is_read_beyond_what_is_wanted(tmp_path):
    path = saved(tmp_path, "sw.txt", TOOLBOX * 3)
    assert dictionaries.read(path, 1 << 20, 4).cut
    with pytest.raises(TableError, match="wanted at most 100"):
        dictionaries.read(path, 100, 4)
    assert dictionaries.read(saved(tmp_path, "plain.csv", "sw,mbwa,dog\n"), 1 << 20, 4) is None
