from __future__ import annotations

import json
from types import SimpleNamespace

import mteb
import numpy as np
import pytest
from datasets import Audio, Dataset
from mteb.abstasks.task_metadata import TaskMetadata

from benchmarks.maeb import __main__ as command
from benchmarks.maeb import sounds_tasks
from benchmarks.maeb.encoder import CacaraEncoder, language_of
from benchmarks.maeb.sounds_tasks import SoundsV1A2TRetrieval, SoundsV1T2ARetrieval, mteb_code
from cacara.benchmark import retrieval
from cacara.benchmark.dataset.benchmark_file import file_hash
from cacara.benchmark.dataset.splits import Benchmark, Query
from cacara.errors import CacaraError
from cacara.galleries.manifest import Clip
from cacara.media import audio
from cacara.model import checkpoint

CONCEPTS = ("dog", "cat", "rain", "bell", "bird", "a dog")
TEXTS = {"en": CONCEPTS, "de": ("hund", "katze", "a rain", "a bell")}


@pytest.fixture
def benchmark(tmp_path, monkeypatch) -> Benchmark:
    """Twelve sounds of six concepts in place of the frozen benchmark's two splits."""
    clips = []
    for number in range(12):
        concept, path = CONCEPTS[number % 6], tmp_path / f"{number}.wav"
        noise = np.random.default_rng(number).normal(0, 0.1, 16_000) * np.sin(np.arange(16_000) / (number % 6 + 1))
        audio.write_wav(path, noise.astype(np.float32))
        clips.append(Clip(f"clip{number}", path, file_hash(path), {}, concept, "tuxpaint", "GPL-2"))
    queries = tuple(
        Query(concept, code, text)
        for code, texts in TEXTS.items()
        for concept, text in zip(CONCEPTS, texts, strict=False)
    )
    tiny = Benchmark("tiny", "0123456789ab", "dev", tuple(clips), queries)
    monkeypatch.setattr(sounds_tasks._SoundsTask, "benchmark", lambda self, split: tiny)
    return tiny


def test_the_command_writes_the_recall_that_our_own_evaluation_reports(
    benchmark, tiny_model, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(checkpoint, "find", lambda name: tmp_path)
    monkeypatch.setattr(checkpoint, "load", lambda *_: tiny_model)
    heard = []
    encode_audio = tiny_model.encode_audio
    monkeypatch.setattr(tiny_model, "encode_audio", lambda sounds: heard.extend(sounds) or encode_audio(sounds))
    arguments = ["--tasks", *command.OURS, "--splits", "dev", "--languages", "eng", "deu", "--output", str(tmp_path)]
    assert command.main(arguments) == 0
    assert len(heard) == 12  # once, though two tasks and two languages ask for them
    waveforms = [audio.load(clip.path, audio.GALLERY_LIMITS).waveform for clip in benchmark.clips]
    mode = [retrieval.AS_THE_MODEL_HAS_IT]
    ours = retrieval.evaluate({"tiny": tiny_model}, benchmark, waveforms, modes=mode)["directions"]
    table = capsys.readouterr().out
    for name, direction in zip(command.OURS, ("text_to_audio", "audio_to_text"), strict=True):
        (path,) = tmp_path.rglob(f"{name}.json")
        (rows,) = json.loads(path.read_text())["scores"].values()
        assert {row["hf_subset"] for row in rows} == {"en", "de"}
        for row in rows:
            for depth in (1, 5, 10):
                expected = ours[direction][row["hf_subset"]][f"recall_at_{depth}"]
                assert 100 * row[f"hit_rate_at_{depth}"] == pytest.approx(expected, abs=0.01)
            assert f"| {name} | dev | {row['hf_subset']} | hit_rate_at_10 | {100 * row['main_score']:.1f} |" in table


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")  # a class that nothing is sorted into
def test_a_zero_shot_task_of_mteb_runs_on_sounds_that_are_bytes(benchmark, tiny_model):
    class TinyZeroShot(mteb.get_task("ESC50_Zeroshot").__class__):
        metadata = mteb.get_task("ESC50_Zeroshot").metadata.model_copy(update={"name": "TinyZeroShot"})

        def load_data(self, **kwargs):
            rows = [{"bytes": clip.path.read_bytes(), "path": None} for clip in benchmark.clips]
            columns = {"audio": rows, "target": [number % 6 for number in range(12)]}
            data = Dataset.from_dict(columns).cast_column("audio", Audio(decode=True))
            self.dataset, self.data_loaded = {"train": data}, True

        def get_candidate_labels(self):
            return list(CONCEPTS)

    result = mteb.evaluate(CacaraEncoder(tiny_model), TinyZeroShot(), cache=None, co2_tracker=False)
    waveforms = [audio.load(clip.path, audio.GALLERY_LIMITS).waveform for clip in benchmark.clips]
    scores = tiny_model.encode_audio(waveforms) @ tiny_model.encode_text(CONCEPTS, "en").T
    expected = np.mean(scores.argmax(axis=1) == np.arange(12) % 6)
    assert result.task_results[0].scores["train"][0]["accuracy"] == pytest.approx(expected)


def dataset(**columns) -> SimpleNamespace:
    return SimpleNamespace(dataset=Dataset.from_dict(columns))


def test_texts_are_read_in_the_tasks_language_and_blank_ones_are_zero(tiny_model):
    encoder, task = CacaraEncoder(tiny_model), SoundsV1T2ARetrieval().metadata
    found = encoder.encode(dataset(text=["hund", " "]), task_metadata=task, hf_split="dev", hf_subset="de")
    assert np.array_equal(found[0], tiny_model.encode_text(["hund"], "de")[0]) and not found[1].any()
    with pytest.raises(CacaraError, match="wanted text or audio"):
        encoder.encode(dataset(image=["x"]), task_metadata=task, hf_split="dev", hf_subset="de")
    with pytest.raises(CacaraError, match="wanted datasets.Audio"):
        encoder.encode(dataset(audio=["x"]), task_metadata=task, hf_split="dev", hf_subset="de")


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        (["swa-Latn"], "sw"),
        (["zho-Hant"], "zh-Hant"),
        (["eng-Latn", "zxx-Zxxx"], "en"),
        (["zxx-Zxxx"], "en"),
        (["eng-Latn", "deu-Latn"], None),
    ],
)
def test_the_language_of_a_task(languages, expected):
    task = SoundsV1T2ARetrieval().metadata.model_copy(update={"eval_langs": languages})
    assert language_of(task, "default") == expected


def test_every_language_of_the_benchmark_has_a_code_of_mteb_that_leads_back():
    task: TaskMetadata = SoundsV1A2TRetrieval().metadata
    assert len(task.eval_langs) > 100 and task.eval_langs["sw"] == ["swa-Latn"] == [mteb_code("sw")]
    led_back = {code: language_of(task, code) for code in task.eval_langs}
    assert {code: found for code, found in led_back.items() if found != code} == {}


def test_a_task_that_does_not_exist_or_has_no_such_split_is_one_line(capsys):
    assert command.main(["--tasks", "NoSuchTask"]) == 1
    assert "there is no task 'NoSuchTask'" in capsys.readouterr().err
    assert command.main(["--tasks", "SoundsV1T2ARetrieval", "--splits", "train"]) == 1
    assert "none of the splits" in capsys.readouterr().err


def test_the_tasks_of_the_field_exist():
    for name in command.FIELD:
        assert "audio" in mteb.get_task(name).metadata.modalities
