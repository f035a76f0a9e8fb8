from __future__ import annotations

import concurrent.futures
import io
import logging

import numpy as np
import pytest
import soundfile
from audio_files import tone
from hypothesis import given, settings
from hypothesis import strategies as st

from cacara.errors import AudioError, GalleryError, LanguageError, QueryError
from cacara.media import audio
from cacara.search import retriever as retrieval
from cacara.search.gallery import Gallery, load_folder
from cacara.search.retriever import MAX_HITS, Retriever, clean_query

CAPTIONS = """file,language,text
a.wav,en,dog
a.wav,de,hund
b.wav,en,cat
b.wav,de,katze
b.wav,fr,katze
c.wav,en,rain
d.wav,en,dog
"""


@pytest.fixture(scope="module")
def gallery(tmp_path_factory) -> Gallery:
    """Four sounds, two of them called a dog, with captions in three languages."""
    folder = tmp_path_factory.mktemp("gallery")
    generator = np.random.default_rng(1)
    for name in "abcd":
        waveform = tone(0.5) * generator.random() + generator.normal(0, 0.05, 8000).astype(np.float32)
        audio.write_wav(folder / f"{name}.wav", waveform)
    (folder / "captions.csv").write_text(CAPTIONS)
    return load_folder(folder)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for every test."""
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def retriever(gallery, tiny_model, tmp_path_factory) -> Retriever:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(tmp_path_factory.mktemp("cache")))
        return Retriever(tiny_model, gallery)


def ids(result) -> list[str]:
    return [hit.clip_id for hit in result.hits]


def embedded(model, gallery) -> int:
    """Return how many sounds a new retriever embeds."""
    stages = []
    Retriever(model, gallery, lambda progress: stages.append(progress.stage))
    assert stages[-1] == "ready"
    return stages.count("embed")


def test_hits_are_ranked_by_cosine_and_carry_their_descriptions(retriever, tiny_model, gallery):
    result = retriever.search_text("dog", "en")
    waveforms = {clip.clip_id: audio.load(clip.path).waveform for clip in gallery.clips}
    query = tiny_model.encode_text(["dog"], "en")[0]
    cosines = {name: float(tiny_model.encode_audio([waveform])[0] @ query) for name, waveform in waveforms.items()}
    assert ids(result) == sorted(cosines, key=cosines.get, reverse=True)
    assert [hit.rank for hit in result.hits] == [1, 2, 3, 4]
    assert [hit.score for hit in result.hits] == pytest.approx(sorted(cosines.values(), reverse=True), abs=1e-5)
    assert [hit.text for hit in result.hits] == [retriever.clip(name).caption("en") for name in ids(result)]
    assert (result.model, result.model_version, result.notes) == ("tiny", "1", ())


def test_a_sound_finds_itself_first(retriever, gallery):
    for clip in gallery.clips:
        hit = retriever.search_audio(audio.load(clip.path).waveform, 1).hits[0]
        assert (hit.clip_id, hit.score) == (clip.clip_id, pytest.approx(1, abs=1e-4))


@pytest.mark.parametrize(
    ("query", "language", "known", "source"),
    [
        ("dog", "en", "en", "chosen"),
        ("hund", "de_DE", "de-DE", "chosen"),
        ("der Hund bellt laut im Garten hinter dem Haus", None, "de", "detected"),
        ("الكلب ينبح في الحديقة", None, "ar", "detected"),
        ("🐕", None, None, "unknown"),
    ],
)
def test_a_result_says_how_its_language_was_found(retriever, query, language, known, source):
    result = retriever.search_text(query, language)
    assert (result.language, result.language_source) == (known, source)


def test_descriptions_are_in_the_language_of_the_search(retriever):
    german = {hit.clip_id: hit.text for hit in retriever.search_text("hund", "de-AT").hits}
    assert german == {"a.wav": "hund", "b.wav": "katze", "c.wav": "rain", "d.wav": "dog"}
    assert "dog" in [hit.text for hit in retriever.search_text("🐕").hits]


def test_texts_are_found_once_a_wording_and_name_a_clip(retriever):
    result = retriever.search_text("dog", "en", target="text")
    assert sorted(hit.text for hit in result.hits) == ["cat", "dog", "rain"]
    assert (result.hits[0].text, result.hits[0].clip_id) == ("dog", "a.wav")
    assert result.hits[0].score == pytest.approx(1, abs=1e-5)


def test_a_sound_finds_descriptions_in_the_language_asked_for(retriever, noise):
    result = retriever.search_audio(noise, target="text", language="de")
    assert (result.language, result.language_source) == ("de", "audio")
    assert {hit.text for hit in result.hits} == {"hund", "katze", "rain", "dog"}
    assert retriever.search_audio(noise, target="text").language == "en"


def test_each_description_is_embedded_in_its_own_language(retriever, tiny_model, gallery, monkeypatch):
    asked, encode = {}, tiny_model.encode_text

    def listen(texts, languages):
        asked.update(zip(texts, languages, strict=True))
        return encode(texts, languages)

    monkeypatch.setattr(tiny_model, "encode_text", listen)
    Retriever(tiny_model, gallery).search_text("chat", "fr", target="text")
    assert asked == {"chat": "fr", "katze": "fr", "dog": "en", "rain": "en"}


def test_languages_without_descriptions_share_one_index(gallery, tiny_model):
    retriever = Retriever(tiny_model, gallery)
    for code in ("xh", "zu", "sw-KE", "en-GB", "qaa"):
        assert {hit.text for hit in retriever.search_text("dog", code, target="text").hits} == {"dog", "cat", "rain"}
    assert list(retriever._texts) == ["en"]


def test_top_k_limits_the_hits_and_may_exceed_the_gallery(retriever, noise):
    assert [len(retriever.search_text("dog", "en", k).hits) for k in (1, 2, 4, 5, MAX_HITS)] == [1, 2, 4, 4, 4]
    assert ids(retriever.search_text("dog", "en", 2.0)) == ids(retriever.search_text("dog", "en", np.int64(2)))
    assert len(retriever.search_audio(noise, 3).hits) == 3


@pytest.mark.parametrize(
    "top_k", [0, -1, MAX_HITS + 1, 10**400, 2.5, float("nan"), float("inf"), True, "5", "many", None, [5]]
)
def test_a_wrong_top_k_is_told(retriever, noise, top_k):
    for search in (lambda: retriever.search_text("dog", "en", top_k), lambda: retriever.search_audio(noise, top_k)):
        with pytest.raises(QueryError, match="top_k is .*; wanted a whole number from 1 to 100"):
            search()


@pytest.mark.parametrize("target", ["video", "", None, ["audio"]])
def test_a_wrong_target_is_told(retriever, noise, target):
    with pytest.raises(QueryError, match="unknown target .*; wanted one of audio, text, image"):
        retriever.search_text("dog", "en", target=target)
    with pytest.raises(QueryError, match="unknown target"):
        retriever.search_audio(noise, target=target)


def test_a_wrong_language_is_told(retriever, noise):
    with pytest.raises(LanguageError, match="'Klingonisch' is not a language code"):
        retriever.search_text("dog", "Klingonisch")
    with pytest.raises(LanguageError, match="mul"):
        retriever.search_audio(noise, language="mul")


def test_an_unknown_clip_is_told(retriever):
    assert retriever.clip("a.wav").caption() == "dog"
    with pytest.raises(GalleryError, match="no clip 'z.wav' in gallery"):
        retriever.clip("z.wav")


UNUSUAL = ["犬", "a", "7", "🐕", "👨‍👩‍👧", "🏳️‍🌈", "♫", "dog собака 犬 كلب", "می\u200cخواهم", "<b>dog</b>", "x" * 2_000]
NOTHING = "| |\n\t\x00|\u200b\u200d|\ufeff|\ud800|\u202e\u202c|...|?!|\u0301|\ue000|\u2028".split("|")


@pytest.mark.parametrize("query", UNUSUAL)
def test_unusual_queries_find_something(retriever, query):
    assert len(retriever.search_text(query).hits) == 4


@pytest.mark.parametrize("query", NOTHING)
def test_queries_of_nothing_are_told(retriever, query):
    with pytest.raises(QueryError, match="the query is empty; type a word"):
        retriever.search_text(query)


def test_a_query_too_long_is_told_with_its_length(retriever):
    with pytest.raises(QueryError, match="has 10,000 characters; wanted at most 2,000"):
        retriever.search_text("x" * 10_000)
    with pytest.raises(QueryError, match="2,001"):
        clean_query(" " * 2_001)


@pytest.mark.parametrize("query", [None, 5, b"dog", ["dog"]])
def test_a_query_that_is_no_text_is_told(retriever, query):
    with pytest.raises(QueryError, match=f"the query is a {type(query).__name__}; wanted text"):
        retriever.search_text(query)


@pytest.mark.parametrize(
    ("query", "cleaned"),
    [
        ("  a\t dog \n", "a dog"),
        ("a\x00dog\x7f", "a dog"),
        ("dog\ud83d", "dog"),
        ("a\u2028dog\u2029\x85", "a dog"),
        ("\u202edog\u202c \u2066cat\u2069", "dog cat"),
        ("cafe\u0301", "café"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d🚒", "👩\u200d🚒"),
    ],
)
def test_queries_are_cleaned_of_what_is_no_letter(query, cleaned):
    assert clean_query(query) == cleaned


@settings(deadline=None)
@given(st.text())
def test_a_cleaned_query_is_text_and_stays_as_it_is(query):
    try:
        cleaned = clean_query(query)
    except QueryError:
        return
    assert cleaned.encode() and clean_query(cleaned) == cleaned


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=[]), max_size=40))
def test_no_text_breaks_a_search(retriever, query):
    try:
        assert len(retriever.search_text(query).hits) == 4
    except QueryError:
        pass


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros(16_000, np.float32), "silent: .* digital silence"),
        (np.full(16_000, 0.3, np.float32), "silent"),
        (np.full(16_000, 1e-41, np.float32), "silent"),
        (np.full(16_000, 1e-5, np.float32) * np.sign(np.arange(16_000) % 2 - 0.5, dtype=np.float32), "-100 dBFS"),
        (np.full(16_000, np.nan, np.float32), "NaN or infinity"),
        (np.r_[np.zeros(99), np.inf].astype(np.float32), "NaN or infinity"),
        (np.zeros(0, np.float32), r"shape \(0,\)"),
        (np.zeros((2, 8000), np.float32), r"shape \(2, 8000\)"),
    ],
)
def test_sounds_that_cannot_be_searched_by_are_told(retriever, waveform, message):
    with pytest.raises(AudioError, match=message):
        retriever.search_audio(waveform)


def test_a_sound_of_any_audible_length_is_searched_by(retriever, noise):
    for samples in (2, 160, 3200, 15_600, 15_601):
        assert len(retriever.search_audio(noise[:samples]).hits) == 4


def test_a_second_retriever_embeds_nothing_and_answers_alike(gallery, tiny_model, cache):
    first = Retriever(tiny_model, gallery)
    assert len(list(cache.rglob("*"))) == 2  # the folder and one file
    assert embedded(tiny_model, gallery) == 0
    assert Retriever(tiny_model, gallery).search_text("dog", "en") == first.search_text("dog", "en")


def test_only_new_sounds_are_embedded_and_the_old_ones_kept(gallery, tiny_model):
    assert embedded(tiny_model, Gallery("two", gallery.clips[:2])) == 2
    assert embedded(tiny_model, gallery) == 2
    assert embedded(tiny_model, Gallery("last", gallery.clips[3:])) == 0


def test_another_model_or_precision_has_a_cache_of_its_own(gallery, tiny_model, monkeypatch):
    assert embedded(tiny_model, gallery) == 4
    assert embedded(tiny_model.variant("untrained"), gallery) == 4
    monkeypatch.setattr(tiny_model, "precision", "bfloat16")
    assert embedded(tiny_model, gallery) == 4


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy(array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


HASHES = np.array(["0" * 64])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"no archive",
        npy(HASHES),
        npz(hashes=HASHES),
        npz(hashes=HASHES, embeddings=np.zeros((1, 31), np.float32)),
        npz(hashes=HASHES, embeddings=np.zeros((2, 32), np.float32)),
        npz(hashes=HASHES, embeddings=np.full((1, 32), np.nan, np.float32)),
        npz(hashes=HASHES, embeddings=np.array([["x"] * 32])),
        npz(hashes=HASHES, embeddings=np.array([[None] * 32])),
    ],
)
def test_a_damaged_cache_is_made_anew(gallery, tiny_model, cache, content, caplog):
    embedded(tiny_model, gallery)
    (path,) = (cache / "embeddings").iterdir()
    path.write_bytes(content)
    assert embedded(tiny_model, gallery) == 4
    assert "unreadable and made anew" in caplog.text
    assert embedded(tiny_model, gallery) == 0


def test_a_cache_with_any_byte_changed_is_unread_or_still_right(gallery, tiny_model, cache):
    Retriever(tiny_model, gallery)
    expected = retrieval._read_cache(tiny_model)
    assert len(expected) == 4
    (path,) = (cache / "embeddings").iterdir()
    raw = path.read_bytes()
    generator = np.random.default_rng(0)
    for position in generator.integers(0, len(raw), 500):
        damaged = bytearray(raw)
        damaged[position] ^= int(generator.integers(1, 256))
        path.write_bytes(damaged if position % 3 else damaged[:position])
        found = retrieval._read_cache(tiny_model)
        assert all(np.array_equal(embedding, expected.get(key, embedding)) for key, embedding in found.items())


def test_a_cache_that_cannot_be_written_costs_time_only(gallery, tiny_model, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "file" / "cache"))
    assert embedded(tiny_model, gallery) == embedded(tiny_model, gallery) == 4
    assert "embeddings are not cached" in caplog.text


def test_a_full_disk_leaves_no_half_cache(gallery, tiny_model, cache, monkeypatch):
    def fill(path, **arrays):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fill)
    Retriever(tiny_model, gallery)
    assert list((cache / "embeddings").iterdir()) == []


def test_a_sound_that_cannot_be_read_is_left_out_and_logged(tmp_path, gallery, tiny_model, caplog):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "good.wav").write_bytes(gallery.clips[0].path.read_bytes())
    (folder / "bad.mp3").write_text("no sound")
    (folder / "empty.wav").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        retriever = Retriever(tiny_model, load_folder(folder))
    assert [clip.clip_id for clip in retriever.gallery.clips] == ["good.wav"]
    assert ids(retriever.search_text("dog")) == ["good.wav"]
    assert "bad.mp3" in caplog.text and "empty.wav" in caplog.text
    (folder / "good.wav").unlink()
    with pytest.raises(GalleryError, match="none of the 2 sounds of gallery 'mixed' can be read"):
        Retriever(tiny_model, load_folder(folder))


def test_sounds_too_faint_for_a_number_do_not_stop_the_others(tmp_path, gallery, tiny_model):
    (faint := tmp_path / "faint").mkdir()
    (faint / "good.wav").write_bytes(gallery.clips[0].path.read_bytes())
    soundfile.write(faint / "faint.wav", np.full(16_000, 1e-41, np.float32), 16_000, "FLOAT")
    soundfile.write(faint / "silent.wav", np.zeros(16_000, np.float32), 16_000, "FLOAT")
    assert "good.wav" in ids(Retriever(tiny_model, load_folder(faint)).search_text("dog"))


def test_an_empty_gallery_is_told(tiny_model):
    with pytest.raises(GalleryError, match="none of the 0 sounds of gallery 'nothing'"):
        Retriever(tiny_model, Gallery("nothing", ()))


def test_eight_threads_find_what_one_finds(gallery, tiny_model, noise):
    words = ["dog", "cat", "hund", "katze", "rain", "bird", "bell", "a dog", "a cat"]

    def search(retriever: Retriever, number: int):
        if number % 3 == 0:
            return retriever.search_audio(noise[: 4000 + number], 3, "text", ("de", "en", "fr")[number % 9 // 3])
        return retriever.search_text(words[number % len(words)], ("en", "de", None)[number % 3], 3, "text")

    numbers = range(96)
    alone = Retriever(tiny_model, gallery)
    expected = [search(alone, number) for number in numbers]
    shared = Retriever(tiny_model, gallery)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: search(shared, number), numbers))
    assert [ids(result) for result in found] == [ids(result) for result in expected]
    for result, wanted in zip(found, expected, strict=True):
        assert [hit.score for hit in result.hits] == pytest.approx([hit.score for hit in wanted.hits], abs=1e-5)
