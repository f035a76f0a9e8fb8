"""uCLIP beside a dictionary and beside other models: who is given what, and what is counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cacara.benchmark.entries import SharedModel
from cacara.benchmark.image_benchmark import ImageBenchmark
from cacara.benchmark.sound_benchmark import Benchmark, Query
from cacara.media import images
from cacara.search.manifest import Clip
from training.data.translations import Translation
from training.run_folder import RunError
from training.studies import uclip_beside, uclip_tables
from training.studies.uclip_study import Dictionary

CONCEPTS = ("cat", "dog", "rain", "oak tree")
PAIRS = [
    Translation("a cat", "cs", "kočka", "cldr"),
    Translation("cat", "cs", "kocour", "freedict-eng-ces"),
    Translation("Dogs", "cs", "psi", "freedict-eng-ces"),
    Translation("dog", "cs", "pes", "freedict-eng-ces"),
    Translation("rain", "cs", "liják", "tuxpaint"),
    Translation("hot dog", "cs", "párek", "cldr"),
    Translation("cat", "sw", "paka", "cldr"),
    Translation("cat", "de", "katze", "cldr"),
]


class Reads:
    """Knows English words: the concept's own axis; any other text lies between all of them."""

    name, sees = "reads", True

    def __init__(self):
        self.asked = []
        self.audio = object()

    def encode_text(self, texts, languages=None, *, centre=True):
        self.asked += [(text, languages) for text in texts]
        known = [text.removeprefix("a ") for text in texts]
        rows = [np.eye(4)[CONCEPTS.index(text)] if text in CONCEPTS else np.full(4, 0.5) for text in known]
        return np.array(rows, dtype=np.float32)

    def hear(self, waveforms):
        yield tuple(waveforms)

    def place_heard(self, heard):
        return np.stack([np.eye(4, dtype=np.float32)[int(waveform[0])] for waveform in heard])

    def encode_image(self, pixels):
        return np.stack([np.eye(4, dtype=np.float32)[int(picture[0, 0, 0])] for picture in pixels])


def clip(concept):
    return Clip(concept, Path(f"{concept}.png"), "0" * 64, {}, concept, "tuxpaint", "GPL-2")


def test_a_text_is_looked_up_and_stays_as_it_is_where_the_dictionary_has_none():
    model = Reads()
    translated = uclip_beside.DictionaryModel(SharedModel(model, {}), Dictionary(PAIRS))
    found = translated.encode_text(["Kočka.", "hora"], "cs")
    assert model.asked == [("a cat", "en"), ("hora", "en")]
    assert found[0].argmax() == 0 and np.ptp(found[1]) == 0


def test_what_the_dictionary_knows_is_counted_apart(monkeypatch):
    queries = (Query("cat", "cs", "kočka"), Query("oak tree", "cs", "dub"), Query("dog", "de", "hund"))
    split = Benchmark("tiny", "0", "dev", tuple(map(clip, CONCEPTS)), queries)
    waveforms = [np.full(2, number, np.float32) for number in range(4)]
    monkeypatch.setattr(uclip_tables, "read_sounds", lambda path: (split, waveforms))
    plain, translated = uclip_beside.translate_then_search({"reads": Reads()}, "reads", Dictionary(PAIRS), Path("x"))
    assert (plain["name"], translated["name"]) == ("reads", "dictionary, then reads")
    assert plain["known"]["recall_at_1"] == 0 and translated["known"]["recall_at_1"] == 100
    assert translated["unknown"]["recall_at_1"] == 0 and translated["unknown"]["queries"] == 1  # German is not asked
    assert translated["five"]["recall_at_1"] == 50 and translated["ten"] is None
    monkeypatch.setattr(uclip_tables, "read_sounds", lambda path: (Benchmark("t", "0", "dev", (), ()), []))
    with pytest.raises(RunError, match="has no dev text in cs, fi"):
        uclip_beside.translate_then_search({"reads": Reads()}, "reads", Dictionary(PAIRS), Path("x"))


def test_classes_are_named_by_lexicons_never_by_the_stamps_own_descriptions():
    labels = uclip_beside.class_names(PAIRS, CONCEPTS, ("cs", "sw"))
    assert labels.names == {
        "en": {concept: (concept,) for concept in sorted(CONCEPTS)},
        "cs": {"cat": ("kočka",), "dog": ("pes", "psi")},  # CLDR's name before a dictionary's
    }  # Swahili names one class, which is no choice


def test_pictures_are_sorted_into_the_classes_that_a_language_names(monkeypatch):
    pictures = ImageBenchmark("tiny", "0", "dev", tuple(map(clip, CONCEPTS)), ())
    monkeypatch.setattr(uclip_beside.image_benchmark, "read", lambda path: type("Rows", (), {"images": ()})())
    monkeypatch.setattr(uclip_beside.image_benchmark, "load", lambda *given: pictures)
    shown = iter(range(4))
    monkeypatch.setattr(images, "load", lambda path, limits: np.full((2, 2, 3), next(shown), np.uint8))
    found = uclip_beside.classify_stamps({"reads": Reads()}, PAIRS, Path("x"))["reads"]
    assert (found["en"]["top_1"], found["en"]["chance_top_1"], found["en"]["classes"]) == (100, 25, 4)
    czech = found["cs"]
    assert (czech["classes"], czech["with_truth"], czech["chance_top_1"]) == (2, 2, 50)
    assert czech["top_1"] == 0 and czech["english_top_1"] == 100  # it reads English alone; ties count against it
    told = uclip_beside.to_markdown({"translate_then_search": SEARCHED, "classify_stamps": {"reads": found}})
    assert "| cs | 0.0 [0–66] (100.0) | 50.0 | 2, 2 |" in told and "| mean of five | 0.0 (100.0) | 50.0 | |" in told
    assert "| reads | 1.0 / 2.0 / 3.0 | – | 2.0–4.0 | – | 1.0 / 2.0 / 3.0 |" in told


FIGURES = {"recall_at_1": 1.0, "recall_at_5": 2.0, "recall_at_10": 3.0, "ci95_recall_at_10": [2.0, 4.0], "queries": 7}
SEARCHED = [{"name": "reads", "five": FIGURES, "ten": None, "known": None, "unknown": FIGURES}]
