"""A linguist's own ELAN document: tiers added beside hers, and her annotations as captions of a gallery."""

from __future__ import annotations

import wave

import numpy as np
import pytest
from pympi import Elan

from cacara.__main__ import main
from cacara.errors import QueryError
from cacara.galleries.gallery import load_folder
from cacara.recordings import elan
from cacara.recordings.export import Search, export
from cacara.recordings.long_recordings import Passage

DOCUMENT = b"""<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="Ana" DATE="2024-05-01T10:00:00+02:00" FORMAT="3.0" VERSION="3.0"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd"><!-- checked by Ana -->
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
<MEDIA_DESCRIPTOR MEDIA_URL="file:///ana/tape.wav" MIME_TYPE="audio/x-wav"/>
<PROPERTY NAME="lastUsedAnnotationId">3</PROPERTY></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1500"/>
<TIME_SLOT TIME_SLOT_ID="ts3"/><TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="90000"/></TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="utterance" TIER_ID="mbwa (sw)" PARTICIPANT="Juma">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>mbwa anabweka</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts4">
<ANNOTATION_VALUE>mvua</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER LINGUISTIC_TYPE_REF="gloss" TIER_ID="English" PARENT_REF="mbwa (sw)">
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a2" ANNOTATION_REF="a1"><ANNOTATION_VALUE>a dog barks</ANNOTATION_VALUE>
</REF_ANNOTATION></ANNOTATION></TIER>
<LINGUISTIC_TYPE CONTROLLED_VOCABULARY_REF="words" LINGUISTIC_TYPE_ID="words" TIME_ALIGNABLE="true"/>
<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="utterance" TIME_ALIGNABLE="true"/>
<LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" LINGUISTIC_TYPE_ID="gloss" TIME_ALIGNABLE="false"/>
<CONTROLLED_VOCABULARY CV_ID="words"><DESCRIPTION LANG_REF="und"/></CONTROLLED_VOCABULARY></ANNOTATION_DOCUMENT>"""
SEARCHES = [
    Search("mbwa", "sw", (Passage(1, 10.0, 12.5, 0.41, 5.0), Passage(2, 0.2, 0.6, 0.2, 1.0))),
    Search("rain", "en", ()),
]


def test_tiers_are_added_and_nothing_else_changes(tmp_path):
    path = tmp_path / "tape.eaf"
    made = export(".eaf", "tape.wav", 60.0, SEARCHES, DOCUMENT)
    path.write_bytes(made)
    eaf = Elan.Eaf(path, suppress_version_warning=True)
    assert list(eaf.get_tier_names()) == ["mbwa (sw)", "English", "mbwa (sw) 2", "rain (en)"]
    assert [entry[:3] for entry in sorted(eaf.get_annotation_data_for_tier("mbwa (sw)"))] == [
        (500, 1500, "mbwa anabweka"),
        (1500, 90000, "mvua"),
    ]
    found = sorted(entry[:3] for entry in eaf.get_annotation_data_for_tier("mbwa (sw) 2"))
    assert found == [(200, 600, "mbwa · 0.200"), (10000, 12500, "mbwa · 0.410")]
    assert eaf.tiers["mbwa (sw) 2"][2]["LINGUISTIC_TYPE_REF"] == "utterance", "without a vocabulary of its own"
    assert [media["MEDIA_URL"] for media in eaf.media_descriptors] == ["file:///ana/tape.wav"]
    assert b"checked by Ana" in made and b'PARTICIPANT="Juma"' in made and b'CV_ID="words"' in made
    assert int(dict(eaf.properties)["lastUsedAnnotationId"]) > 3
    names = [each for each in made.split(b'ANNOTATION_ID="')[1:]]
    assert len({name.split(b'"')[0] for name in names}) == 5, "no two annotations share an id"
    again = elan.with_tiers(made, export(".eaf", "tape.wav", 60.0, SEARCHES))
    assert elan.tiers(again) == ("mbwa (sw)", "English", "mbwa (sw) 2", "rain (en)", "mbwa (sw) 3", "rain (en) 2")


def test_annotations_have_the_times_of_those_that_they_refer_to():
    assert elan.annotations_of(DOCUMENT, "English") == [elan.Annotation(0.5, 1.5, "a dog barks")]
    with pytest.raises(QueryError, match=r"no tier 'Words'; wanted one of mbwa \(sw\), English"):
        elan.annotations_of(DOCUMENT, "Words")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html/>", "no ELAN document"),
        (DOCUMENT[:400], "damaged"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a/>', "DOCTYPE"),
        (
            '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'.encode("utf-16"),
            "DOCTYPE",
        ),
        (b"<ANNOTATION_DOCUMENT>" + 5_000 * b"<a>" + 5_000 * b"</a>" + b"</ANNOTATION_DOCUMENT>", "too deep"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "damaged"),
    ],
)
def test_what_is_no_document_is_refused(content, reason):
    with pytest.raises(QueryError, match=reason):
        export(".eaf", "tape.wav", 60.0, SEARCHES, content)


@pytest.fixture
def tape(tmp_path):
    """Twelve seconds whose samples say the second that they belong to."""
    path = tmp_path / "tape.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.repeat(np.arange(1, 13) * 1000, 16_000).astype("<i2").tobytes())
    (tmp_path / "tape.eaf").write_bytes(DOCUMENT)
    return path


def test_annotations_become_a_gallery(tape, tmp_path, capsys):
    options = ["clips", str(tape), str(tmp_path / "tape.eaf"), "--language", "sw", "--output", str(tmp_path / "made")]
    assert main([*options, "--tier", "mbwa (sw)"]) == 0
    assert capsys.readouterr().out.startswith("2 clips in ")
    clips = load_folder(tmp_path / "made").clips
    assert [dict(clip.captions) for clip in clips] == [{"sw": ("mbwa anabweka",)}, {"sw": ("mvua",)}]
    with wave.open(str(tmp_path / "made" / "tape-1.wav")) as file:
        samples = np.frombuffer(file.readframes(-1), "<i2")
    assert len(samples) == 16_000 and set(samples[:8000]) == {1000} and set(samples[8000:]) == {2000}
    with wave.open(str(tmp_path / "made" / "tape-2.wav")) as file:
        assert file.getnframes() == round(10.5 * 16_000), "to the end of the tape"
    assert main([*options, "--tier", "mbwa (sw)"]) == 1
    assert "exists; wanted a new folder" in capsys.readouterr().err


def test_annotations_beyond_the_tape_are_counted(tape, tmp_path, capsys):
    late = DOCUMENT.replace(b'TIME_VALUE="1500"', b'TIME_VALUE="80000"').replace(
        b'TIME_VALUE="500"', b'TIME_VALUE="70000"'
    )
    (tmp_path / "tape.eaf").write_bytes(late)
    command = ["clips", str(tape), str(tmp_path / "tape.eaf"), "--language", "sw", "--tier", "English"]
    assert main([*command, "--output", str(tmp_path / "made")]) == 1
    assert "ends before the first annotation" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
