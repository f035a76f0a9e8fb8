"""Live listening with plain values, on a tiny real model; no server."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from cacara.recordings.listening import WINDOW_SECONDS
from tests.cacara.recordings.test_listening import write_chunk
from tests.ui.services.test_services import make_services
from ui.page.wording import wording
from ui.search.live import hear
from ui.services.engine import Engine
from ui.services.services import Feedback, Services

RATE = 44_100


@pytest.fixture(scope="module")
def services(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        yield make_services(tiny_model, folder)


@pytest.fixture
def stretch(tmp_path):
    return str(write_chunk(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 3_000, RATE)))


def test_every_second_has_words_and_the_past_stays_bounded(services, stretch):
    heard = None
    for _ in range(6):
        heard, page = hear(services, stretch, copy.deepcopy(heard), "de")
    assert heard.samples.size == int(WINDOW_SECONDS * RATE)
    assert page.count("<li") == 4 and 'lang="de"' in page and "Ein Hund." in page


def test_what_is_described_in_markup_is_text(services, stretch):
    _, page = hear(services, stretch, None, "en")
    assert "A &lt;b&gt;cat&lt;/b&gt;" in page and "<b>" not in page


def test_silence_is_told_in_the_interfaces_language(services, tmp_path):
    _, page = hear(services.speaking(wording("de")), str(write_chunk(tmp_path / "b.wav", np.zeros(RATE))), None, "auto")
    assert "Es ist still." in page


def test_a_stretch_that_cannot_be_read_is_told_and_the_past_stays(services, stretch, tmp_path):
    heard, _ = hear(services, stretch, None, "auto")
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    after, page = hear(services, str(tmp_path / "bad.wav"), heard, "auto")
    assert after is heard and "cannot be read" in page


def test_without_a_stretch_nothing_changes(services):
    assert hear(services, None, None, "auto") == (None, "")


def test_before_the_model_is_there_one_is_told_so(tmp_path, stretch):
    services = Services(Engine(lambda report: None), Feedback(tmp_path / "feedback.db"))
    assert "Still preparing" in hear(services, stretch, None, "auto")[1]
