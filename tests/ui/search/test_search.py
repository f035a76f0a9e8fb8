"""Searching, judging and undoing with plain values, on a tiny real model and a real database; no server."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from cacara.errors import AudioError, CacaraError, QueryError
from cacara.galleries.gallery import load_folder
from cacara.media import audio
from cacara.search.retriever import Retriever
from feedback_db.records.opinions import FeedbackError
from tests.ui.services.test_services import make_gallery, make_services
from ui.page.wording import wording
from ui.search import rendering
from ui.search import tab as search_tab
from ui.search.actions import search_audio, search_like, search_text, search_video
from ui.search.answers import described, nearest_language
from ui.search.judgements import flag, judge_card, undo
from ui.services.engine import Engine
from ui.services.services import Feedback, Services

ME = "visitor-1"


@pytest.fixture(scope="module")
def services(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ui")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        made = make_services(tiny_model, folder)
        yield made
        made.feedback.store().close()


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "recording.wav"
    times = np.arange(20_000) / audio.SAMPLE_RATE_HZ
    audio.write_wav(path, (0.4 * np.sin(2 * np.pi * 330 * times)).astype(np.float32))
    return path


def current(services, annotator=ME):
    return [each for each in services.feedback.store().current_judgements() if each.annotator == annotator]


def test_a_text_finds_ranked_sounds_as_plain_values(services):
    found = search_text(services, "  ein hund ", "de", top_k=3)
    assert found["query"] == "ein hund"
    assert (found["language"], found["language_source"], found["model"]) == ("de", "chosen", "tiny")
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3]
    assert [hit["score"] for hit in found["hits"]] == sorted((hit["score"] for hit in found["hits"]), reverse=True)
    assert "path" not in str(found["hits"][0].keys())


def test_descriptions_are_in_the_querys_language_or_say_which_they_are_in(services):
    hits = {hit["clip_id"]: hit for hit in search_text(services, "hund", "de")["hits"]}
    assert (hits["dog.wav"]["caption"], hits["dog.wav"]["caption_language"]) == ("Ein Hund.", "de")
    assert (hits["rain.wav"]["caption"], hits["rain.wav"]["caption_language"]) == ("Rain.", "en")
    assert hits["dog.wav"]["picture"] == "media/picture?clip=dog.wav"
    assert hits["rain.wav"]["picture"] is None


def test_the_language_of_a_shared_wording_is_the_wanted_one(services):
    clip = services.engine.retriever(wording("en")).clip("dog.wav")
    assert described(clip, "ar") == ("كلب.", "ar")
    assert described(clip, "de-AT") == ("Ein Hund.", "de")
    assert described(clip, "sw") == ("A dog.", "en")


@pytest.mark.parametrize(
    ("wanted", "given"), [("zh", "zh-Hans"), ("zh-Hant", "zh-Hant"), ("pt-PT", "pt"), ("pt", "pt"), ("sw", "sw")]
)
def test_a_language_is_answered_by_its_nearest_relative(wanted, given):
    assert nearest_language(wanted, ["zh-Hant", "zh-Hans", "pt-BR", "pt", "en"]) == given


@pytest.mark.parametrize("query", ["", "   ", "\n\t", "\u200d\u0301", "x" * 10_000, None, 7, ["dog"]])
def test_an_unfit_query_is_told_so(services, query):
    with pytest.raises(QueryError):
        search_text(services, query)


@pytest.mark.parametrize("query", ["x", "🐶🔔", "der собака 犬 كلب", "<script>alert(1)</script>", "dog\x00cat", "犬"])
def test_an_odd_query_is_answered(services, query):
    assert len(search_text(services, query)["hits"]) == 4


@pytest.mark.parametrize("top_k", [0, -1, 101, 1.5, float("nan"), float("inf"), "3", None, True])
def test_an_unfit_number_of_results_is_told_so(services, top_k):
    with pytest.raises(QueryError, match="top_k"):
        search_text(services, "dog", "en", top_k)


@pytest.mark.parametrize("language", ["not a code!", 3, ["de"], "x" * 200])
def test_an_unfit_language_is_told_so(services, language):
    with pytest.raises(CacaraError):
        search_text(services, "dog", language)


def test_a_recording_finds_words_and_similar_sounds(services, recording):
    found = search_audio(services, str(recording), "de", top_k=2)
    assert found["seconds"] == 1.25
    assert found["language"] == "de"
    assert [hit["rank"] for hit in found["words"]["hits"]] == [1, 2]
    assert [hit["rank"] for hit in found["sounds"]["hits"]] == [1, 2]
    assert found["words"]["search_id"] != found["sounds"]["search_id"]


def page_of(services, search, query, **options):
    return search_tab.show(services, search, query, **options)[0]


def write(path, content):
    path.write_bytes(content)
    return path


BAD_FILES = {
    "empty.wav": b"",
    "noise.wav": bytes(range(256)) * 40,
    "text.mp3": b"this is not a sound\n" * 50,
    "list.m3u8": b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n",
    "list.wav": b"ffconcat version 1.0\nfile /etc/hostname\n",
    "truncated.wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
}


@pytest.mark.parametrize("name", sorted(BAD_FILES))
def test_a_file_that_is_no_sound_is_told_so(services, tmp_path, name):
    with pytest.raises(AudioError):
        search_audio(services, str(write(tmp_path / name, BAD_FILES[name])))


def test_silence_is_told_so_and_nothing_is_remembered(services, tmp_path):
    audio.write_wav(tmp_path / "silence.wav", np.zeros(16_000, np.float32))
    before = len(services.searches._searches)
    with pytest.raises(AudioError, match="silent"):
        search_audio(services, str(tmp_path / "silence.wav"))
    assert len(services.searches._searches) == before


def test_without_a_recording_one_is_asked_for_in_the_interfaces_language(services):
    with pytest.raises(QueryError, match="Nimm zuerst"):
        search_audio(services.speaking(wording("de")), None)


def test_a_flag_stores_what_the_server_had_shown(services):
    found = search_text(services, "hund", "de")
    hit = found["hits"][1]
    answer = flag(services, found["search_id"], hit["clip_id"], "relevant", ME)
    (row,) = current(services)
    assert answer == {"judgement_id": row.judgement_id, "label": "relevant"}
    assert (row.query_text, row.language, row.clip_id, row.rank) == ("hund", "de", hit["clip_id"], 2)
    assert row.score == pytest.approx(hit["score"], abs=1e-6)
    assert (row.model, row.model_version, row.gallery, row.consent) == ("tiny", "1", "gallery", False)
    assert undo(services, answer["judgement_id"], ME)["message"] == "Taken back."
    assert current(services) == []


def test_a_second_tab_says_what_stands_and_asks_and_undoing_says_what_counts(services):
    found = search_text(services, "hund", "de")
    shown = (found["search_id"], found["hits"][1]["clip_id"])
    first = judge_card(services, *shown, "relevant", ME)
    stale = judge_card(services.speaking(wording("de")), *shown, "unsure", ME)
    assert (stale["judgement_id"], stale["label"]) == (first["judgement_id"], "relevant")
    assert stale["stale"].startswith("In einem anderen Tab haben Sie das schon beurteilt: Passt. Das gilt.")
    assert [row.label for row in current(services)] == ["relevant"]
    with pytest.raises(FeedbackError, match="found 'relevant', which stands"):
        flag(services, *shown, "unsure", ME, seen="")
    second = judge_card(services, *shown, "unsure", ME, seen=first["judgement_id"])
    undone = undo(services, second["judgement_id"], ME)
    assert (undone["stands"], undone["message"]) == (first["judgement_id"], "Taken back. Counts again: Relevant.")
    undo(services, first["judgement_id"], ME)
    assert judge_card(services, *shown, "unsure", ME, seen=first["judgement_id"])["stale"].startswith("Your judgement")
    assert current(services) == []
    assert flag(services, *shown, "unsure", ME)["label"] == "unsure", (
        "programs that do not say what they know overwrite"
    )
    undo(services, current(services)[0].judgement_id, ME)


@pytest.mark.parametrize(
    "changed",
    [
        {"search_id": "made up"},
        {"search_id": None},
        {"search_id": ["x"]},
        {"clip_id": "../../etc/passwd"},
        {"clip_id": None},
        {"clip_id": {"a": 1}},
        {"label": "superb"},
        {"label": None},
        {"annotator": ""},
        {"annotator": 3},
        {"annotator": "x" * 1000},
    ],
)
def test_a_forged_flag_is_refused_and_stores_nothing(services, changed):
    found = search_text(services, "hund", "de")
    fields = {
        "search_id": found["search_id"],
        "clip_id": found["hits"][0]["clip_id"],
        "label": "relevant",
        "annotator": ME,
    }
    before = services.feedback.store().counts()
    with pytest.raises((QueryError, FeedbackError)):
        flag(services, **(fields | changed))
    assert services.feedback.store().counts() == before


@pytest.mark.parametrize("judgement_id", ["made up", "", None, 3, "0" * 32])
def test_an_undo_of_nothing_is_refused(services, judgement_id):
    with pytest.raises(FeedbackError):
        undo(services, judgement_id, ME)


def test_nobody_undoes_another_persons_judgement(services):
    found = search_text(services, "hund")
    answer = flag(services, found["search_id"], found["hits"][0]["clip_id"], "unsure", "somebody")
    with pytest.raises(FeedbackError, match="only your own"):
        undo(services, answer["judgement_id"], ME)
    undo(services, answer["judgement_id"], "somebody")


@pytest.mark.parametrize("consent", [False, None, "yes", 1])
def test_a_recording_is_not_kept_and_not_judged_without_consent(services, recording, consent):
    found = search_audio(services, str(recording))["sounds"]
    with pytest.raises(FeedbackError, match="Keep my recording"):
        flag(services, found["search_id"], found["hits"][0]["clip_id"], "relevant", ME, consent)
    assert not services.feedback.recordings.exists() or not list(services.feedback.recordings.rglob("*.wav"))


def test_with_consent_the_recording_is_kept_under_its_hash(services, recording):
    sha256 = hashlib.sha256(recording.read_bytes()).hexdigest()
    for name in ("words", "sounds"):
        found = search_audio(services, str(recording))[name]
        answer = flag(services, found["search_id"], found["hits"][0]["clip_id"], "relevant", ME, True)
        (row,) = current(services)
        assert (row.recording_sha256, row.query_text, row.consent) == (sha256, None, True)
        undo(services, answer["judgement_id"], ME)
    (kept,) = services.feedback.recordings.rglob("*.wav")
    assert kept.read_bytes() == recording.read_bytes()


def test_a_recording_that_changed_or_went_is_not_judged(services, recording):
    found = search_audio(services, str(recording))["sounds"]
    asked = (found["search_id"], found["hits"][0]["clip_id"], "relevant", ME, True)
    recording.write_bytes(b"something else")
    with pytest.raises(FeedbackError, match="changed"):
        flag(services, *asked)
    recording.unlink()
    with pytest.raises(FeedbackError, match="no longer"):
        flag(services, *asked)


def test_the_page_gets_html_with_what_was_typed_and_described_as_text(services):
    page = page_of(services, search_text, "<b>hund</b>", language="en")
    assert "A &lt;b&gt;cat&lt;/b&gt; &amp; &#34;kitten&#34;." in page
    assert "<b>" not in page


def test_the_page_speaks_the_interfaces_language(services, recording):
    assert "Gesucht auf: <bdi" in page_of(services.speaking(wording("de")), search_text, "hund", language="de")
    assert "Ähnliche Klänge" in page_of(services.speaking(wording("de")), search_audio, str(recording))


def test_languages_are_offered_by_their_own_names(services):
    choices = search_tab.language_choices(services, wording("de"))
    assert choices[0] == ("Erkennen", "auto")
    assert ("Deutsch · German", "de") in choices


def test_one_kind_alone_is_found(services):
    found = search_text(services, "hund", "de", kind="sound")
    assert found["kind"] == "sound" and len(found["hits"]) == 4 and found["pictures"] is None
    with pytest.raises(QueryError, match="knows no pictures"):
        search_text(services, "hund", "de", kind="picture")


@pytest.mark.parametrize("kind", ["video", None, 3, ["sound"], "<script>"])
def test_an_unknown_kind_is_told_so(services, kind):
    with pytest.raises(QueryError, match="kind: found"):
        search_text(services, "hund", kind=kind)


def test_a_licence_limits_what_is_found(services):
    (licence,) = {hit["licence"] for hit in search_text(services, "hund")["hits"]}
    assert search_text(services, "hund", licence=licence)["hits"] == search_text(services, "hund")["hits"]
    nothing = search_text(services, "hund", licence="<b>none</b>")
    assert nothing["hits"] == [] and nothing["licence"] == "<b>none</b>"
    assert "Nothing here has this licence" in page_of(services, search_text, "hund", language="de", licence="none")


def test_more_like_a_sound_leaves_out_itself_and_is_not_judged(services):
    found = search_like(services, "dog.wav", "de", top_k=2)
    assert [hit["rank"] for hit in found["sounds"]["hits"]] == [1, 2]
    assert "dog.wav" not in [hit["clip_id"] for hit in found["sounds"]["hits"]]
    assert (found["caption"], found["sounds"]["search_id"]) == ("Ein Hund.", None)
    every = search_like(services, "dog.wav", "de", top_k=100)["sounds"]["hits"]
    assert {hit["clip_id"] for hit in every} == {"cat.wav", "bell.wav", "rain.wav"}


@pytest.mark.parametrize("clip", ["", "../etc/passwd", None, 3, "<script>"])
def test_more_like_an_unknown_clip_is_told_so(services, clip):
    with pytest.raises(CacaraError):
        search_like(services, clip)


def test_more_like_a_clip_of_another_licence_is_nothing_and_no_error(services):
    assert search_like(services, "dog.wav", licence="none")["sounds"]["hits"] == []


def test_without_a_video_one_is_asked_for(services):
    with pytest.raises(QueryError, match="Choose a short video first"):
        search_video(services, None)


def test_a_tiny_model_says_nothing_of_speech(services, recording):
    found = search_audio(services, str(recording))
    assert (found["speech"], found["is_speech"]) == (None, False)
    assert search_tab.show(services, search_audio, str(recording))[1] == ""


def test_a_sound_of_which_only_the_beginning_is_searched_says_so(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    folder = make_gallery(tmp_path / "gallery")
    audio.write_wav(folder / "late.wav", np.sin(np.arange(35 * audio.SAMPLE_RATE_HZ) * 0.2).astype(np.float32) / 2)
    engine = Engine(lambda report: Retriever(tiny_model, load_folder(folder), report))
    engine._run()
    found = search_text(Services(engine, Feedback(tmp_path / "feedback.db")), "dog", "en")
    notes = {hit["clip_id"]: hit["notes"] for hit in found["hits"]}
    assert notes.pop("late.wav") == ["only the first 30 seconds of this sound are searched"] and not any(notes.values())
    page = rendering.text_results(found, {}, wording("de"))
    assert page.count("Nur seine ersten 30 Sekunden werden durchsucht.") == 1
