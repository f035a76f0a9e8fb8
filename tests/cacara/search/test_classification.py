from __future__ import annotations

import csv
import io
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cacara.errors import LanguageError, ManifestError
from cacara.metrics import wilson_interval
from cacara.search.classification import Labels, classify, read_labels, read_truth, to_csv, to_report, truth_of_folders

AXES = {"dog": 0, "hound": 0, "cat": 1, "owl": 2, "Hund": 0, "Katze": 2, "Eule": 1}
FILES = {"a.wav": 0, "b.wav": 1, "c.png": 2}


class Axes:
    """Every name is a unit vector; German takes cats for owls and owls for cats."""

    def __init__(self):
        self.calls = []

    def encode_text(self, texts, languages=None):
        self.calls.append((tuple(texts), languages))
        return np.eye(3, dtype=np.float32)[[AXES[text] for text in texts]]


EMBEDDINGS = {file: np.eye(3, dtype=np.float32)[axis] for file, axis in FILES.items()}
LABELS = Labels(
    {
        "de": {"1dog": ("Hund",), "2cat": ("Katze",), "3owl": ("Eule",)},
        "en": {"1dog": ("dog", "hound"), "2cat": ("cat",), "3owl": ("owl",)},
    }
)
TRUTH = {"a.wav": "1dog", "b.wav": "2cat"}


@pytest.fixture
def table(tmp_path):
    def write(content, name="labels.csv"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / name

    return write


def test_accuracy_is_as_counted_by_hand():
    encoder = Axes()
    predictions = classify(encoder, EMBEDDINGS, LABELS, TRUTH)
    assert encoder.calls == [(("Hund", "Katze", "Eule"), "de"), (("dog", "hound", "cat", "owl"), "en")]
    assert [(p.file, p.language, p.labels[0], p.rank) for p in predictions] == [
        ("a.wav", "de", "1dog", 1),
        ("b.wav", "de", "3owl", 3),  # the German owl came first, and the dog ties with the cat
        ("c.png", "de", "2cat", None),
        ("a.wav", "en", "1dog", 1),
        ("b.wav", "en", "2cat", 1),
        ("c.png", "en", "3owl", None),
    ]
    report = to_report(predictions, LABELS)
    german, english = report["languages"]["de"], report["languages"]["en"]
    assert (german["top_1"], german["top_5"], german["with_truth"], german["files"]) == (50.0, 100.0, 2, 3)
    assert (english["top_1"], english["chance_top_1"], english["chance_top_5"]) == (100.0, 33.3333, 100.0)
    assert (report["mean"]["top_1"], report["mean"]["languages"]) == (75.0, 2)
    assert report["mean"]["ci95_top_1"] == [50.0, 100.0]  # of two files, either may be drawn twice


def test_without_a_truth_there_are_predictions_and_no_accuracy():
    report = to_report(classify(Axes(), EMBEDDINGS, LABELS, {}), LABELS)
    assert report["mean"] is None and "top_1" not in report["languages"]["de"]


def test_predictions_are_written_one_a_place():
    rows = list(csv.DictReader(io.StringIO(to_csv(classify(Axes(), EMBEDDINGS, LABELS, TRUTH), TRUTH))))
    assert len(rows) == 3 * 2 * 3
    assert rows[0] == {
        "file": "a.wav",
        "language": "de",
        "rank": "1",
        "label": "1dog",
        "score": "1.000000",
        "truth": "1dog",
        "correct": "yes",
    }
    assert {row["correct"] for row in rows if row["file"] == "c.png"} == {""}


def test_labels_are_read_with_any_script_and_languages_kept_in_the_order_asked(table):
    path = table(
        b"\xef\xbb\xbflabel,language,name,gloss\r\nd,sw,mbwa,dog\r\nd,sw,jibwa,\r\nc,sw,paka,\r\n"
        + 'd,ko,개,\nc,ko,"고양이, 야옹",\nd,pt_BR,cão,\nc,pt-BR,gato,\n'.encode()
    )
    labels = read_labels(path)
    assert list(labels.names) == ["ko", "pt-BR", "sw"]
    assert labels.names["sw"] == {"c": ("paka",), "d": ("mbwa", "jibwa")}
    assert labels.names["ko"]["c"] == ("고양이, 야옹",)
    assert list(read_labels(path, ["sw", "ko", "sw"]).names) == ["sw", "ko"]
    assert labels.all == ("c", "d")


def test_only_the_classes_of_all_languages_are_kept_on_demand(table):
    labels = read_labels(table("label,language,name\na,en,x\nb,en,y\nc,en,z\nb,sw,yy\nc,sw,zz\n"))
    assert labels.common == ("b", "c")
    assert labels.of_common().names == {"en": {"b": ("y",), "c": ("z",)}, "sw": {"b": ("yy",), "c": ("zz",)}}
    apart = read_labels(table("label,language,name\na,en,x\nb,en,y\nb,sw,yy\nc,sw,zz\n"))
    with pytest.raises(ManifestError, match="1 of 3 classes have a name in all of en, sw"):
        apart.of_common()


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        ("label,name\nd,dog\n", ["line 1: no column is headed language (found label, name)"]),
        ("", ["line 1: there is no heading", "wanted label, language, name"]),
        (b"label,language,name\nd,en,\xff\n", ["cannot read", "UTF-8"]),
        (
            "label,language,name\nd,en,dog\nd,xx-not-a-code-at-all-really,dog\nc,,cat\nd,en,dog\ne,en,a,b\n",
            [
                "line 3: 'xx",
                "line 4: language is empty",
                "line 5: 'd' is named 'dog' in en twice",
                "line 6: more cells",
            ],
        ),
        ("label,language,name\nd,en,dog\n", ["names 1 classes in 'en'; wanted two or more"]),
    ],
)
def test_bad_labels_are_told_line_by_line(table, content, messages):
    with pytest.raises(ManifestError) as caught:
        read_labels(table(content))
    for message in messages:
        assert message in str(caught.value)


def test_a_language_that_is_not_there_is_told_with_those_that_are(table):
    path = table("label,language,name\nd,en,dog\nc,en,cat\n")
    with pytest.raises(ManifestError, match="names 0 classes in 'sw'.*It has names in en"):
        read_labels(path, ["sw"])
    with pytest.raises(LanguageError):
        read_labels(path, ["Klingonisch"])


def test_the_truth_is_read_from_a_table(table):
    path = table("file,label\na.wav,1dog\nb.wav,2cat\n", "truth.csv")
    assert read_truth(path, FILES, LABELS) == TRUTH


def test_a_bad_truth_is_told_line_by_line(table):
    path = table("file,label\na.wav,whale\nz.wav,1dog\na.wav,1dog\na.wav,2cat\n", "truth.csv")
    with pytest.raises(ManifestError) as caught:
        read_truth(path, FILES, LABELS)
    for message in (
        "line 2: 'whale' is none of the 3 labels",
        "line 3: there is no sound or picture 'z.wav'",
        "line 5: 'a.wav' has a label already, '1dog'",
    ):
        assert message in str(caught.value)


def test_labels_and_truth_are_read_as_spreadsheets_write_them(table):
    labels = read_labels(table("Word;Code;Class;;\r\nGänse;de;Gänse;;\r\nHund;de;Hund;;\r\n".encode("utf-16")))
    assert labels.names == {"de": {"Gänse": ("Gänse",), "Hund": ("Hund",)}}
    told = []
    files = [unicodedata.normalize("NFD", "feld/Gänse.wav"), "feld/Hund.wav", "rest.wav"]
    truth = "Filename\tClass\nfeld\\gänse.wav\tGÄNSE\n./feld/Hund.wav\tHund\n"
    assert read_truth(table(truth, "truth.csv"), files, labels, told.append) == {files[0]: "Gänse", files[1]: "Hund"}
    assert told[0] == "truth.csv: read as UTF-8, separated by tab; columns: Filename = file, Class = label"
    assert told[-1] == "truth.csv: 1 file has no row: 'rest.wav'"


def test_names_that_read_as_english_are_told(table):
    told = []
    rows = "a,sw,the dog\nb,sw,the black cat\nc,sw,a large house\n"
    read_labels(table(f"label,language,name\n{rows}"), report=told.append)
    assert told[-1] == "labels.csv: the names in sw read as English; have two columns changed places?"


def test_a_folder_in_another_normal_form_is_its_label_and_others_are_told():
    labels, told = Labels({"de": {"Gänse": ("Gans",), "Hund": ("Hund",)}}), []
    files = [unicodedata.normalize("NFD", "Gänse/a.wav"), "hund/b.wav", "katze/c.wav"]
    assert truth_of_folders(files, labels, told.append) == {files[0]: "Gänse", files[1]: "Hund"}
    assert told == ["1 folder is named after no label: 'katze'"]


def test_folders_named_after_labels_are_a_truth():
    files = ["1dog/a.wav", "field/2cat/1dog/b.wav", "3owl.wav", "other/c.wav"]
    assert truth_of_folders(files, LABELS) == {"1dog/a.wav": "1dog", "field/2cat/1dog/b.wav": "1dog"}


@given(st.integers(0, 60), st.integers(1, 60))
def test_wilsons_interval_is_that_of_scipy(hits, trials):
    if hits > trials:
        with pytest.raises(ValueError, match="0 to trials"):
            wilson_interval(hits, trials)
        return
    reference = stats.binomtest(hits, trials).proportion_ci(0.95, method="wilson")
    assert wilson_interval(hits, trials) == pytest.approx((100 * reference.low, 100 * reference.high))
