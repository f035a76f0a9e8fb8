"""Coverage-guided fuzzing of every reader of strangers' bytes, bounded; by ``make soak``.

The decoders and the reader of Parquet are libraries, which the app runs in a process of their own because they may
crash; here they run in the fuzzer's. So what crashes one is shown to the app's own way, which must refuse or read it.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from audio_files import encoded_tone, picture_stream
from feedback_examples import campaign, caption, judgement, preference

from cacara.errors import CacaraError
from cacara.media import audio, video
from feedback_db import FeedbackError
from feedback_db.exchange.export import export
from feedback_db.exchange.importing import read_file
from feedback_db.records.lines import to_line

SECONDS = 30
FUZZ = Path(__file__).with_name("fuzz.py")
NATIVE = ("deadly signal", "out-of-memory", "timeout after")
NATIVE_CODE = 1000
APART = {"sound": audio.load, "film": video.frames, "parquet": read_file}

pytestmark = pytest.mark.soak


def drawn(form: str, mode: str = "RGB") -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new(mode, (24, 16), 100).save(file, form)
    return file.getvalue()


def table(folder: Path, form: str) -> bytes:
    export([judgement(), caption(), preference()], folder / f"a.{form}", form)
    return (folder / f"a.{form}").read_bytes()


def seeds(target: str, folder: Path) -> list[bytes]:
    """Return good examples, from which the fuzzer departs."""
    if target == "sound":
        return [encoded_tone(name, 0.3) for name in ("tone.wav", "tone.mp3", "tone.flac", "tone.ogg", "tone.webm")]
    if target == "film":
        return [picture_stream(container, False) for container in ("mp4", "matroska", "avi")]
    if target == "picture":
        forms = (("PNG", "RGBA"), ("PNG", "P"), ("JPEG", "RGB"), ("GIF", "P"), ("WEBP", "RGB"), ("BMP", "RGB"))
        return [drawn(*each) for each in forms]
    if target in ("csv", "parquet", "jsonl"):
        lines = "\n".join(to_line(each) for each in (judgement(), caption(), preference(), campaign()))
        return [table(folder, target)] + ([lines.encode()] if target == "jsonl" else [])
    if target == "words":
        return [b"language,text,concept\nde,Hund,dog\n", "sw\tmbwa\r\n".encode("utf-16")]
    if target == "pairs":
        return [b"dog\tmbwa\nthe dog barks\tmbwa anabweka\n"]
    if target == "planted":
        return []
    if target == "link":
        return [json.dumps({"q": "dog", "lang": "de", "kind": "sound", "licence": "x", "like": "y"}).encode()]
    return [b'{"clip_id": "a", "file": "a.wav", "captions": {"en": ["dog"]}}']


class Fuzzed:
    """Outcome of fuzzing a target; the inputs that ended it lie in the folder."""

    def __init__(self, target: str, folder: Path, seconds: int) -> None:
        self._target, self._folder, self.executed, self.native = target, folder, 0, 0
        self._corpus = folder / "corpus"
        self._corpus.mkdir()
        for number, content in enumerate(seeds(target, folder)):
            (self._corpus / str(number)).write_bytes(content)
        begun, self.code, self.reached = time.monotonic(), -1, ["0"]
        while (left := round(begun + seconds - time.monotonic())) > 0 and self.code in (-1, NATIVE_CODE):
            self._run(left, self.native + 1)

    def _run(self, seconds: int, seed: int) -> None:
        limits = ["-max_len=65536", "-timeout=60", "-rss_limit_mb=4000", "-print_final_stats=1", f"-seed={seed}"]
        command = [sys.executable, str(FUZZ), self._target, str(self._corpus), f"-max_total_time={seconds}", *limits]
        done = subprocess.run([*command, f"-artifact_prefix={self._folder}/"], capture_output=True, timeout=900)
        self.code, self.said = done.returncode, (done.stdout + done.stderr).decode(errors="replace")
        self.executed += int((re.search(r"number_of_executed_units: (\d+)", self.said) or [0, "0"])[1])
        self.reached += re.findall(r"cov: (\d+)", self.said)
        if self.code and self._target in APART and any(sign in self.said for sign in NATIVE):
            self.code, self.native = NATIVE_CODE, self.native + 1

    def found(self) -> list[Path]:
        return [path for path in self._folder.iterdir() if path.name.startswith(("crash-", "oom-", "timeout-"))]


@pytest.mark.parametrize(
    "target", ["sound", "film", "picture", "jsonl", "csv", "parquet", "words", "pairs", "link", "clip"]
)
def test_bytes_that_learn_from_the_code_they_reach_give_a_value_or_our_own_error(target, tmp_path):
    pytest.importorskip("atheris", reason="requirements-dev.txt is not installed")
    fuzzed = Fuzzed(target, tmp_path, SECONDS)
    sys.stdout.write(
        f"{target}: {fuzzed.executed:,} inputs, up to {max(map(int, fuzzed.reached))} edges reached, "
        f"{fuzzed.native} crashes of a library\n"
    )
    assert fuzzed.code in (0, NATIVE_CODE), fuzzed.said[-3000:]
    assert fuzzed.executed > 50, "it has tried too little to mean something"
    for number, path in enumerate(fuzzed.found()):
        named = path.rename(tmp_path / f"{number}.{target}")
        with contextlib.suppress(CacaraError, FeedbackError):
            APART[target](named)


def test_the_fuzzer_finds_an_error_that_was_planted(tmp_path):
    pytest.importorskip("atheris", reason="requirements-dev.txt is not installed")
    fuzzed = Fuzzed("planted", tmp_path, 60)
    (found,) = fuzzed.found()
    assert fuzzed.code not in (0, NATIVE_CODE) and "an error nobody had thought of" in fuzzed.said
    assert found.read_bytes().startswith(b"RIF")
