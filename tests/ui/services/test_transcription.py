"""Writing down what visitors say: loaded at the first use, told when it cannot be, hostile ids refused."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from cacara.errors import QueryError, SourceError
from cacara.media import audio
from cacara.recordings.speech import Transcript
from cacara.sources.clients import Progress
from tests.ui.services.test_services import make_services
from ui.search import tab as search_tab
from ui.search.actions import search_audio, search_text
from ui.search.transcription import write_down
from ui.services.services import Services
from ui.services.transcription import TranscriberLoader


class StandIn:
    """Writes down the same words whatever is said."""

    def __init__(self, text="ein <b>hund</b>", language="de"):
        self.text, self.language, self.asked = text, language, []

    def write_down(self, waveform, language=None):
        self.asked.append((waveform.size, language))
        return Transcript(self.text, language or self.language, language is None, 0.5, 0.1)


@pytest.fixture(scope="module")
def searchable(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("transcription")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        yield make_services(tiny_model, folder)


@pytest.fixture
def said(searchable, tmp_path):
    audio.write_wav(tmp_path / "said.wav", np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32))
    return search_audio(searchable, str(tmp_path / "said.wav"))["words"]["search_id"]


def with_transcriber(services, load):
    return Services(services.engine, services.feedback, services.searches, transcription=TranscriberLoader(load))


def wait(services):
    for _ in range(200):
        if services.transcription.status.phase != "preparing":
            return
        time.sleep(0.01)


def test_it_is_loaded_when_somebody_first_asks_and_tells_how_far_it_is(searchable, said):
    loads, asked = [], threading.Event()

    def load(report):
        loads.append(1)
        report(Progress("whisper-1", "download", 0.5))
        asked.wait(10)
        return StandIn()

    services = with_transcriber(searchable, load)
    assert services.transcription.status.phase == "waiting" and loads == []
    first = write_down(services, said)
    assert first["phase"] == "preparing" and set(first) == {"phase", "progress", "fraction"}
    asked.set()
    wait(services)
    told = write_down(services, said)
    assert (told["phase"], told["words"], told["language"], told["guessed"]) == ("ready", "ein <b>hund</b>", "de", True)
    assert (told["language_name"], told["query_language"]) == ("Deutsch", "de")
    assert loads == [1]


def test_a_chosen_language_is_passed_on_and_one_the_model_lacks_is_detected_later(searchable, said):
    stand_in = StandIn(language="sw")
    services = with_transcriber(searchable, lambda report: stand_in)
    services.transcription.transcriber()
    wait(services)
    assert write_down(services, said, "de")["guessed"] is False
    assert write_down(services, said)["query_language"] == "auto"
    assert [language for _, language in stand_in.asked] == ["de", None]


def test_weights_that_cannot_be_had_are_told_once_and_tried_again(searchable, said):
    tries = []

    def load(report):
        tries.append(1)
        raise SourceError("no network\nhere")

    services = with_transcriber(searchable, load)
    write_down(services, said)
    wait(services)
    with pytest.raises(QueryError, match="cannot be written down here: no network here"):
        write_down(services, said)
    write_down(services, said)
    wait(services)
    assert len(tries) == 2


def test_an_unexpected_failure_does_not_leave_the_page_waiting(searchable, said):
    services = with_transcriber(searchable, lambda report: 1 / 0)
    write_down(services, said)
    wait(services)
    with pytest.raises(QueryError, match="unexpected ZeroDivisionError"):
        write_down(services, said)


@pytest.mark.parametrize("search_id", ["made up", "", None, 3, ["x"], {"a": 1}])
def test_a_made_up_recording_is_refused(searchable, search_id):
    services = with_transcriber(searchable, lambda report: pytest.fail("loaded"))
    with pytest.raises(QueryError, match="no longer remembered"):
        write_down(services, search_id)


def test_a_typed_query_and_a_recording_that_went_have_nothing_to_write_down(searchable, said):
    services = with_transcriber(searchable, lambda report: StandIn())
    with pytest.raises(QueryError, match="no longer remembered"):
        write_down(services, search_text(services, "hund")["search_id"])
    services.searches.recall(said).recording.unlink()
    with pytest.raises(QueryError, match="no longer remembered"):
        write_down(services, said)


def test_when_nothing_was_understood_the_page_says_what_helps(searchable, said):
    services = with_transcriber(searchable, lambda report: StandIn(text=""))
    services.transcription.transcriber()
    wait(services)
    page = search_tab.show_written(services, said, "auto")
    assert "No words were understood" in page and 'data-action="write"' in page


def test_the_page_shows_progress_then_the_words_as_text(searchable, said):
    asked = threading.Event()
    services = with_transcriber(searchable, lambda report: asked.wait(10) and StandIn())
    progress = [search_tab.show_written(services, said, "auto") for _ in range(2)]
    assert all("data-waiting" in page for page in progress)
    assert progress[0] != progress[1], "Gradio drops an answer that equals the one before: the page would ask no more"
    asked.set()
    wait(services)
    page = search_tab.show_written(services, said, "auto")
    assert 'value="ein &lt;b&gt;hund&lt;/b&gt;"' in page and "<b>" not in page and "data-waiting" not in page
