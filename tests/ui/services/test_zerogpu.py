"""Encoders on ZeroGPU: the same embeddings from a forked process, from the package elsewhere, and without a quota."""

from __future__ import annotations

import contextlib
import copy
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from forking_spaces import ForkingGPU
from gradio.context import LocalContext

from cacara.model.model import Cacara
from cacara.model.towers import Towers
from tests.test_space import free_port
from ui.services import zerogpu
from ui.services.zerogpu import LentEncoders

REPOSITORY = Path(__file__).parents[3]
CPU = torch.device("cpu")
TEXTS = ["hund", "katze bell", "a dog"]


@contextlib.contextmanager
def asked():
    """What is computed within is asked by a visitor."""
    token = LocalContext.request.set(object())
    try:
        yield
    finally:
        LocalContext.request.reset(token)


def copied(model: Cacara) -> Cacara:
    towers = copy.deepcopy(Towers(model.text, model.audio, model.image))
    return Cacara(model.config, towers, model.parts, model.fingerprint, CPU)


def embeddings(model: Cacara, sounds) -> list[np.ndarray]:
    model.forget_texts(list(model.known_texts()))
    pictures = [np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)]
    return [
        model.encode_text(TEXTS, "de"),
        model.encode_audio(sounds),
        *model.encode_sound(sounds[0]),
        model.encode_image(pictures),
    ]


@pytest.fixture
def lent(seeing_model, monkeypatch):
    """A model whose encoders are lent what forks, and the fake that counts."""
    gpu = ForkingGPU()
    monkeypatch.setattr(zerogpu.spaces, "GPU", gpu)
    model = copied(seeing_model)
    LentEncoders(copied(seeing_model).towers, CPU).serve(model)
    return model, gpu


def test_what_a_visitor_asks_is_computed_in_a_fork_and_is_the_same(lent, seeing_model, noise):
    model, gpu = lent
    sounds = [noise, noise[:9_000]]
    with asked():
        found = embeddings(model, sounds)
    assert [name for name, _ in gpu.calls] == ["_read_there", "_hear_there", "_hear_there", "_see_there"]
    assert max(seconds for _, seconds in gpu.calls) <= 10
    for mine, theirs in zip(found, embeddings(seeing_model, sounds), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_the_cpu_computes_when_nobody_asks_or_the_quota_has_ended_or_a_call_fails(
    lent, seeing_model, noise, monkeypatch
):
    model, gpu = lent
    wanted = embeddings(seeing_model, [noise])
    for refusal, broken, calls in (("", False, 0), ("You have exceeded your quota", False, 1), ("", True, 1)):
        gpu.calls.clear()
        gpu.refusal, gpu.broken = refusal, broken
        with asked() if calls else contextlib.nullcontext():
            found = embeddings(model, [noise])
        assert len(gpu.calls) == calls, "after a failure nobody waits for the next one"
        for mine, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-5)
        later = time.monotonic() + 2 * zerogpu.PAUSE_SECONDS
        monkeypatch.setattr(time, "monotonic", lambda later=later: later)


def test_with_the_package_outside_a_space_a_call_is_a_call(seeing_model, noise):
    model = copied(seeing_model)
    LentEncoders(copied(seeing_model).towers, CPU).serve(model)
    with asked():
        found = embeddings(model, [noise])
    for mine, theirs in zip(found, embeddings(seeing_model, [noise]), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


class Scheduler(http.server.BaseHTTPRequestHandler):
    """The part of a ZeroGPU host that lends GPUs: it lends one first, which is broken, and then nobody has a quota."""

    asked: list[str] = []

    def log_message(self, *_):
        pass

    def do_POST(self):
        path = self.path.partition("?")[0]
        self.asked.append(path)
        status, answer = 200, {}
        if path == "/schedule" and self.asked.count(path) == 1:
            answer = {"idle": False, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": "token"}
        elif path == "/schedule":
            status, answer = 429, {"left": 0, "wait": "PT1H"}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


ON_ZEROGPU = """
import os, sys, types
from tests.test_space import free_port
from ui.services import zerogpu
assert sys.modules["spaces"].config.Config.zero_gpu
import gradio as gr, numpy as np, torch
from gradio.context import LocalContext
from starlette.datastructures import Headers
load = zerogpu.loader("cacara")
with gr.Blocks() as page:
    pass
page.launch(server_port=int(sys.argv[1]), prevent_thread_lock=True, quiet=True)
from cacara.model import checkpoint
model, plain = load("cacara", lambda progress: None), checkpoint.load("cacara", "cpu")
LocalContext.request.set(types.SimpleNamespace(headers=Headers({})))
noise = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
for text in ("Hund", "Katze"):
    zerogpu.PAUSE_SECONDS = 0.0
    assert np.allclose(model.encode_text([text], "de"), plain.encode_text([text], "de"), atol=1e-5)
assert np.allclose(model.encode_audio([noise]), plain.encode_audio([noise]), atol=1e-5)
print("the same", flush=True)
os._exit(0)
"""


@pytest.mark.weights
def test_with_the_package_as_on_zerogpu_a_broken_gpu_and_an_ended_quota_leave_the_cpu(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scheduler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = os.environ | {
        "SPACES_ZERO_GPU": "true",
        "SPACES_ZERO_DEVICE_API_URL": f"http://127.0.0.1:{server.server_address[1]}",
        "ZEROGPU_OFFLOAD_DIR": str(tmp_path / "tensors"),
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [sys.executable, "-c", ON_ZEROGPU, str(free_port())]
    try:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    finally:
        server.shutdown()
        server.server_close()
    assert "the same" in done.stdout, done.stdout[-1500:] + done.stderr[-3000:]
    assert Scheduler.asked[0] == "/startup-report"
    assert Scheduler.asked.count("/schedule") == 3 and "/allow" in Scheduler.asked
    assert any((tmp_path / "tensors").iterdir()), "the encoders lay on cuda before the page was up"
