from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from audio_files import tone

from cacara import sources
from cacara.__main__ import main
from cacara.media import audio
from cacara.model import checkpoint
from cacara.model.config import DEFAULT_MODEL

REPOSITORY = Path(__file__).parents[2]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **environment}, capture_output=True, timeout=120)


@pytest.fixture
def loaded_once(request, monkeypatch):
    """Let commands share one real model: loading it takes seconds."""
    models = request.config.stash.setdefault(_MODELS, {})
    load = checkpoint.load

    def remember(name=DEFAULT_MODEL, device="auto", *rest, **options):
        if (name, device) not in models:
            models[name, device] = load(name, device, *rest, **options)
        return models[name, device]

    monkeypatch.setattr(checkpoint, "load", remember)


_MODELS = pytest.StashKey[dict]()


@pytest.fixture
def sounds(tmp_path):
    """Two sounds, one of them in a folder, and a file that is none."""
    folder = tmp_path / "sounds"
    (folder / "far").mkdir(parents=True)
    audio.write_wav(folder / "tone.wav", tone(1))
    noise = np.random.default_rng(0).normal(0, 0.1, 9000).astype(np.float32)
    audio.write_wav(folder / "far" / "noise.wav", noise)
    return folder


def refusal(capsys, *arguments) -> str:
    """Return the one line of error that a command ends with."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 1
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and captured.err.endswith(f"{errors[0]}\n") and "Traceback" not in captured.err
    assert captured.out == ""
    return errors[0]


@pytest.mark.parametrize("command", [["app.py"], ["-m", "cacara"], ["-m", "cacara", "search"]])
def test_help_needs_no_model_and_lists_the_flags(command):
    done = run(*command, "--help")
    assert done.returncode == 0 and done.stderr == b""
    flags = {"app.py": "--host --port --model --gallery --database --device", "search": "--audio --target --json"}
    for word in flags.get(command[-1], "setup search embed evaluate classify").split():
        assert word.encode() in done.stdout


def test_help_imports_nothing_heavy():
    code = "import sys, cacara.__main__, app; print({'torch', 'transformers', 'gradio', 'av'} & set(sys.modules))"
    assert run("-c", code).stdout == b"set()\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search"], "give a query, --audio FILE or --image FILE, one of them"),
        (["search", "dog", "--audio", "x.wav"], "give a query, --audio FILE or --image FILE"),
        (["search", "--audio", "absent.wav"], "absent.wav: the file cannot be opened"),
        (["search", "--image", "bad.wav"], "bad.wav is no picture that is read here"),
        (["search", "--audio", "bad.wav"], "bad.wav: "),
        (["search", "dog", "--model", "cacarra"], "no model 'cacarra'; wanted cacara"),
        (["search", "dog", "--gallery", "absent"], "absent; wanted a folder of sounds"),
        (["setup", "--gallery", "empty"], "empty holds no sounds"),
        (
            ["embed", "--kind", "text", "--input", "absent.txt", "--output", "x.npz"],
            "cannot read texts from absent.txt",
        ),
        (["embed", "--kind", "text", "--input", "bad.wav", "--output", "x.npz"], "wanted a UTF-8 file"),
        (["embed", "--kind", "text", "--input", "blank.txt", "--output", "x.npz"], "blank.txt holds no text"),
        (["embed", "--kind", "audio", "--input", "absent", "--output", "x.npz"], "no gallery at"),
        (["embed", "--kind", "text", "--input", "dog.txt", "--output", "no/x.npz"], "cannot write no/x.npz; wanted"),
        (["embed", "--kind", "text", "--input", "dog.txt", "--output", "empty"], "cannot write empty"),
        (["evaluate", "--split", "dev", "--json", "no/x.json"], "cannot write no/x.json"),
        (["evaluate", "--split", "dev", "--model", "cacarra"], "no model 'cacarra'"),
        (["classify", "absent", "--labels", "absent.csv"], "cannot read absent.csv"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.wav").write_bytes(b"\xff\xfeno sound")
    (tmp_path / "blank.txt").write_text(" \n\n")
    (tmp_path / "dog.txt").write_text("dog\n")
    assert message in refusal(capsys, *arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.wav", "blank.txt", "dog.txt", "empty"]


@pytest.mark.parametrize(
    "arguments",
    [["search", "dog", "--target", "video"], ["search", "dog", "--top", "ten"], ["embed"], ["sing"], []],
)
def test_a_wrong_flag_shows_the_usage(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2 and "usage: python -m cacara" in capsys.readouterr().err


@pytest.mark.weights
@pytest.mark.parametrize("arguments", [["ein Hund", "--language", "de_DE"], ["犬"], ["dog", "--target", "text"]])
def test_a_search_writes_its_hits_as_json(capsys, loaded_once, arguments):
    assert main(["search", *arguments, "--top", "3", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == ["query", "language", "model", "nothing_fits", "hits"]
    assert (answer["query"], answer["model"]) == (arguments[0], DEFAULT_MODEL)
    assert answer["language"] in ("de-DE", "ja", "zh", "en", None)
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3]
    for hit in answer["hits"]:
        fields = ["rank", "clip_id", "score", "probability", "verdict", "caption", "concept", "path", "notes"]
        assert list(hit) == fields
        assert Path(hit["path"]).is_file() and hit["caption"] and -1 <= hit["score"] <= 1
    assert answer["hits"][0]["score"] >= answer["hits"][2]["score"]


@pytest.mark.weights
def test_a_search_by_sound_gives_texts_or_on_demand_sounds(capsys, loaded_once):
    (bark,) = sources.fetch("ovos").rglob("dog.mp3")
    assert main(["search", "--audio", str(bark), "--json", "--language", "de"]) == 0
    answer = json.loads(capsys.readouterr().out)
    captions = [hit["caption"] for hit in answer["hits"]]
    assert len(set(captions)) == 10 and answer["query"] == str(bark) and answer["language"] == "de"
    assert main(["search", "--audio", str(bark), "--json", "--target", "audio", "--top", "1"]) == 0
    (hit,) = json.loads(capsys.readouterr().out)["hits"]
    assert hit["clip_id"] == "ovos/dog" and hit["score"] == pytest.approx(1, abs=1e-4)


@pytest.mark.weights
def test_a_search_without_json_is_a_table_to_read(capsys, loaded_once):
    assert main(["search", "dog", "--language", "en", "--top", "2"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "dog · en (chosen)" and [row.split()[0] for row in rows] == ["1", "2"]


@pytest.mark.weights
def test_a_gallery_folder_is_searched(capsys, loaded_once, sounds):
    (sounds / "captions.csv").write_text("file,language,text,concept\ntone.wav,en,A steady tone.,tone\n")
    assert main(["search", "beep", "--gallery", str(sounds), "--json"]) == 0
    hits = {hit["clip_id"]: hit for hit in json.loads(capsys.readouterr().out)["hits"]}
    assert set(hits) == {"tone.wav", "far/noise.wav"}
    assert (hits["tone.wav"]["caption"], hits["tone.wav"]["concept"]) == ("A steady tone.", "tone")
    assert (hits["far/noise.wav"]["caption"], hits["far/noise.wav"]["concept"]) == ("noise", None)


@pytest.mark.weights
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["", "--top", "3"], "the query is empty"),
        (["x" * 10_000], "10,000 characters"),
        (["dog", "--top", "0"], "top_k is 0; wanted a whole number from 1 to 100"),
        (["dog", "--language", "Klingonisch"], "'Klingonisch' is not a language code"),
    ],
)
def test_a_bad_search_is_told(capsys, loaded_once, arguments, message):
    assert message in refusal(capsys, "search", *arguments)


@pytest.mark.weights
def test_a_silent_recording_and_a_wrong_device_are_told(capsys, loaded_once, tmp_path):
    audio.write_wav(tmp_path / "silent.wav", np.zeros(16_000, np.float32))
    assert "the sound is silent" in refusal(capsys, "search", "--audio", tmp_path / "silent.wav")
    assert "unknown device 'tpu'" in refusal(capsys, "search", "dog", "--device", "tpu")


@pytest.mark.weights
def test_texts_are_embedded_line_by_line(capsys, loaded_once, tmp_path):
    lines = "\ufeffa dog\r\n\r\nein\u2028Hund \nmbwa\n"
    (tmp_path / "texts.txt").write_text(lines, encoding="utf-8", newline="")
    output = tmp_path / "x.npz"
    command = ["embed", "--kind", "text", "--input", str(tmp_path / "texts.txt"), "--output", str(output)]
    assert main([*command, "--language", "en"]) == 0
    assert capsys.readouterr().out == f"{output}: 3 × 576\n"
    with np.load(output, allow_pickle=False) as arrays:
        assert sorted(arrays) == ["embeddings", "ids"] and arrays["ids"].tolist() == ["1", "3", "4"]
        embeddings = arrays["embeddings"]
    assert embeddings.dtype == np.float32 and np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert np.array_equal(embeddings, checkpoint.load().encode_text(["a dog", "ein\u2028Hund", "mbwa"], "en"))
    assert main(command) == 0  # again, over the old file, each line's language detected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["texts.txt", "x.npz"]


@pytest.mark.weights
def test_sounds_are_embedded_by_name_and_bad_ones_passed_over(capsys, loaded_once, sounds, tmp_path):
    (sounds / "bad.mp3").write_text("no sound")
    output = tmp_path / "x.npz"
    assert main(["embed", "--kind", "audio", "--input", str(sounds), "--output", str(output)]) == 0
    assert "skipped bad.mp3: " in capsys.readouterr().err
    with np.load(output, allow_pickle=False) as arrays:
        assert arrays["ids"].tolist() == ["far/noise.wav", "tone.wav"]
        embeddings = arrays["embeddings"]
    assert embeddings.shape == (2, 576) and embeddings.dtype == np.float32
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert main(["embed", "--kind", "audio", "--input", str(sounds / "tone.wav"), "--output", str(output)]) == 0
    with np.load(output, allow_pickle=False) as arrays:
        assert arrays["ids"].tolist() == ["tone.wav"]
        assert np.array_equal(arrays["embeddings"][0], embeddings[1])
    bad = refusal(capsys, "embed", "--kind", "audio", "--input", sounds / "bad.mp3", "--output", tmp_path / "y.npz")
    assert "none of the 1 sounds can be read" in bad and not (tmp_path / "y.npz").exists()


@pytest.mark.weights
def test_setup_tells_what_is_ready(capsys, loaded_once):
    assert main(["setup"]) == 0
    assert capsys.readouterr().out.startswith(f"ready: model {DEFAULT_MODEL} {checkpoint.load().version}, 1")


@pytest.mark.weights
def test_a_terminal_of_another_encoding_and_odd_bytes_do_no_harm():
    query = os.fsdecode(b"\xe9 dog")  # as the shell hands over what is no UTF-8
    done = run("-m", "cacara", "search", query, "--json", "--top", "2", PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr.decode()
    answer = json.loads(done.stdout.decode("utf-8"))
    assert answer["query"] == "\udce9 dog" and len(answer["hits"]) == 2
    assert b"Traceback" not in done.stderr and b"Warning" not in done.stderr
