from __future__ import annotations

import concurrent.futures
import dataclasses
import io
import logging

import numpy as np
import pytest
import soundfile
from audio_files import tone
from hypothesis import given, settings
from hypothesis import strategies as st
from searching import search

from cacara.errors import AudioError, GalleryError, LanguageError, QueryError
from cacara.galleries.gallery import Gallery, load_folder
from cacara.lexicon import PersonalWord, PersonalWords
from cacara.media import audio
from cacara.model.calibration import Calibration, Curve
from cacara.model.config import LexicalMemoryConfig
from cacara.model.parts.lexical_memory import LexicalMemory
from cacara.search import embedding_cache, likelihood
from cacara.search.engines import open_index
from cacara.search.request import MAX_HITS, SearchRequest, clean_query
from cacara.search.retriever import Retriever
from tests.cacara.model.parts.test_profile import make_profile, with_profile
from training.data.lexicon.table import Sense, build

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


def ids(hits) -> list[str]:
    return [hit.clip_id for hit in hits]


def embedded(model, gallery) -> int:
    """Return how many sounds a new retriever embeds."""
    stages = []
    Retriever(model, gallery, lambda progress: stages.append(progress.stage))
    assert stages[-1] == "ready"
    return stages.count("embed")


def test_hits_are_ranked_by_cosine_and_carry_their_descriptions(retriever, tiny_model, gallery):
    hits = search(retriever, "dog", language="en")
    waveforms = {clip.clip_id: audio.load(clip.path).waveform for clip in gallery.clips}
    query = tiny_model.encode_text(["dog"], "en")[0]
    cosines = {name: float(tiny_model.encode_audio([waveform])[0] @ query) for name, waveform in waveforms.items()}
    assert ids(hits) == sorted(cosines, key=cosines.get, reverse=True)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert [hit.score for hit in hits] == pytest.approx(sorted(cosines.values(), reverse=True), abs=1e-5)
    assert [hit.text for hit in hits] == [retriever.clip(name).caption("en") for name in ids(hits)]


def test_a_sound_finds_itself_first(retriever, gallery):
    for clip in gallery.clips:
        (hit,) = search(retriever, sound=audio.load(clip.path).waveform, top=1)
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
def test_an_embedding_says_how_its_language_was_found(retriever, query, language, known, source):
    embedding = retriever.embed(SearchRequest(text=query, language=language))
    assert (embedding.language, embedding.language_source) == (known, source)


def test_descriptions_are_in_the_language_of_the_search(retriever):
    german = {hit.clip_id: hit.text for hit in search(retriever, "hund", language="de-AT")}
    assert german == {"a.wav": "hund", "b.wav": "katze", "c.wav": "rain", "d.wav": "dog"}
    assert "dog" in [hit.text for hit in search(retriever, "🐕")]


def test_texts_are_found_once_a_wording_and_name_a_clip(retriever):
    hits = search(retriever, "dog", "text", language="en")
    assert sorted(hit.text for hit in hits) == ["cat", "dog", "rain"]
    assert (hits[0].text, hits[0].clip_id) == ("dog", "a.wav")
    assert hits[0].score == pytest.approx(1, abs=1e-5)


def test_texts_find_texts_without_profiles_and_sounds_find_them_with(gallery, seeing_model, noise):
    model = with_profile(seeing_model, make_profile())
    retriever = Retriever(model, gallery)
    query = model.encode_text(["hund"], "de", space="text")[0]
    for hit in search(retriever, "hund", "text", language="de"):
        spoken = {"rain": "en", "dog": "en"}.get(hit.text, "de")
        text = model.encode_text([hit.text], spoken, space="text")[0]
        assert hit.score == pytest.approx(float(query @ text), abs=1e-5)
    heard = model.encode_audio([noise])[0]
    (found,) = [hit for hit in search(retriever, sound=noise, target="text", language="de") if hit.text == "hund"]
    assert found.score == pytest.approx(float(heard @ model.encode_text(["hund"], "de")[0]), abs=1e-5)


def test_a_calibrated_model_says_how_likely_hits_are_and_when_nothing_fits(gallery, tiny_model):
    curve = Curve("english", "audio", -1.0, 4.0, 0.5, -0.1, nothing_below=0.9)
    model = tiny_model.with_parts()
    model.calibration = Calibration("0" * 12, (curve, dataclasses.replace(curve, query="unknown", nothing_below=0.1)))
    retriever = Retriever(model, gallery)
    query = retriever.embed(SearchRequest(text="dog", language="en", licence=gallery.clips[0].licence))
    hits = retriever.nearest(query, "audio")
    cosines = retriever.embeddings([clip.clip_id for clip in gallery.clips]) @ query.vector
    expected = curve.probability([hit.score for hit in hits], cosines.mean(), cosines.std(), 4)
    assert [hit.probability for hit in hits] == pytest.approx(expected.tolist(), abs=1e-5)
    assert likelihood.told(hits[0].probability)["verdict"] == likelihood.verdict(expected[0])
    assert retriever.nothing_fits(query, "audio", hits) and not retriever.nothing_fits(query, "audio", ())
    german = retriever.embed(SearchRequest(text="hund", language="de"))
    assert not retriever.nothing_fits(german, "audio", retriever.nearest(german, "audio"))
    assert {hit.probability for hit in retriever.nearest(query, "text")} == {None}, "of texts nobody measured it"


@pytest.mark.parametrize(
    ("probability", "word"), [(0.7, "likely"), (0.5, "likely"), (0.2, "maybe"), (0.05, "unlikely"), (None, None)]
)
def test_a_probability_is_told_in_a_word(probability, word):
    assert likelihood.told(probability) == {"probability": probability, "verdict": word}


def test_a_sound_finds_descriptions_in_the_language_asked_for(retriever, noise):
    query = retriever.embed(SearchRequest(sound=noise, language="de"))
    assert (query.language, query.language_source) == ("de", "audio")
    assert {hit.text for hit in retriever.nearest(query, "text")} == {"hund", "katze", "rain", "dog"}
    assert retriever.embed(SearchRequest(sound=noise)).language == "en"


def test_each_description_is_embedded_in_its_own_language(retriever, tiny_model, gallery, monkeypatch):
    asked, encode = {}, tiny_model.encode_text

    def listen(texts, languages, **options):
        asked.update(zip(texts, languages, strict=True))
        return encode(texts, languages, **options)

    monkeypatch.setattr(tiny_model, "encode_text", listen)
    search(Retriever(tiny_model, gallery), "chat", "text", language="fr")
    assert asked == {"chat": "fr", "katze": "fr", "dog": "en", "rain": "en"}


def test_languages_without_descriptions_share_one_index(gallery, tiny_model):
    retriever = Retriever(tiny_model, gallery)
    for code in ("xh", "zu", "sw-KE", "en-GB", "qaa"):
        assert {hit.text for hit in search(retriever, "dog", "text", language=code)} == {"dog", "cat", "rain"}
    assert list(retriever._texts) == [("en", True)]


def test_top_k_limits_the_hits_and_may_exceed_the_gallery(retriever, noise):
    assert [len(search(retriever, "dog", top=k)) for k in (1, 2, 4, 5, MAX_HITS)] == [1, 2, 4, 4, 4]
    assert ids(search(retriever, "dog", top=2.0)) == ids(search(retriever, "dog", top=np.int64(2)))
    assert len(search(retriever, sound=noise, top=3)) == 3


@pytest.mark.parametrize(
    "top_k", [0, -1, MAX_HITS + 1, 10**400, 2.5, float("nan"), float("inf"), True, "5", "many", None, [5]]
)
def test_a_wrong_top_k_is_told(noise, top_k):
    for query in ({"text": "dog"}, {"sound": noise}):
        with pytest.raises(QueryError, match="top_k is .*; wanted a whole number from 1 to 100"):
            SearchRequest(**query, top=top_k)


@pytest.mark.parametrize("target", ["video", "", None, ["audio"]])
def test_a_wrong_target_is_told(retriever, noise, target):
    with pytest.raises(QueryError, match="unknown target .*; wanted one of audio, text, image"):
        SearchRequest(text="dog", targets=["audio", target])
    with pytest.raises(QueryError, match="unknown target"):
        retriever.nearest(retriever.embed(SearchRequest(sound=noise)), target)


def test_a_wrong_language_is_told(noise):
    with pytest.raises(LanguageError, match="'Klingonisch' is not a language code"):
        SearchRequest(text="dog", language="Klingonisch")
    with pytest.raises(LanguageError, match="mul"):
        SearchRequest(sound=noise, language="mul")


@pytest.mark.parametrize("queries", [{}, {"text": "dog", "like": "a.wav"}, {"text": None}])
def test_a_request_has_one_query(queries):
    with pytest.raises(QueryError, match="wanted one of text, sound, pictures, like"):
        SearchRequest(**queries)


def test_an_unknown_clip_is_told(retriever):
    assert retriever.clip("a.wav").caption() == "dog"
    with pytest.raises(GalleryError, match="no clip 'z.wav' in gallery"):
        retriever.clip("z.wav")


UNUSUAL = [
    "犬",
    "\ue000",
    "a",
    "7",
    "🐕",
    "👨‍👩‍👧",
    "🏳️‍🌈",
    "♫",
    "dog собака 犬 كلب",
    "می\u200cخواهم",
    "<b>dog</b>",
    "x" * 2_000,
]
NOTHING = "| |\n\t\x00|\u200b\u200d|\ufeff|\ud800|\u202e\u202c|...|?!|\u0301|\u2028".split("|")


@pytest.mark.parametrize("query", UNUSUAL)
def test_unusual_queries_find_something(retriever, query):
    assert len(search(retriever, query)) == 4


@pytest.mark.parametrize("query", NOTHING)
def test_queries_of_nothing_are_told(query):
    with pytest.raises(QueryError, match="the query is empty; type a word"):
        SearchRequest(text=query)


def test_a_query_too_long_is_told_with_its_length():
    with pytest.raises(QueryError, match="has 10,000 characters; wanted at most 2,000"):
        SearchRequest(text="x" * 10_000)
    with pytest.raises(QueryError, match="2,001"):
        clean_query(" " * 2_001)


@pytest.mark.parametrize("query", [5, b"dog", ["dog"]])
def test_a_query_that_is_no_text_is_told(query):
    with pytest.raises(QueryError, match=f"the query is a {type(query).__name__}; wanted text"):
        SearchRequest(text=query)


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
        assert len(search(retriever, query)) == 4
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
        retriever.embed(SearchRequest(sound=waveform))


def test_a_sound_of_any_audible_length_is_searched_by(retriever, noise):
    for samples in (2, 160, 3200, 15_600, 15_601):
        assert len(search(retriever, sound=noise[:samples])) == 4


def test_a_second_retriever_embeds_nothing_and_answers_alike(gallery, tiny_model, cache):
    first = Retriever(tiny_model, gallery)
    assert len(list(cache.rglob("*"))) == 2  # the folder and one file
    assert embedded(tiny_model, gallery) == 0
    assert search(Retriever(tiny_model, gallery), "dog") == search(first, "dog")


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
    expected = embedding_cache.read(tiny_model)
    assert len(expected) == 4
    (path,) = (cache / "embeddings").iterdir()
    raw = path.read_bytes()
    generator = np.random.default_rng(0)
    for position in generator.integers(0, len(raw), 500):
        damaged = bytearray(raw)
        damaged[position] ^= int(generator.integers(1, 256))
        path.write_bytes(damaged if position % 3 else damaged[:position])
        found = embedding_cache.read(tiny_model)
        assert all(np.array_equal(embedding, expected.get(key, embedding)) for key, embedding in found.items())


def test_a_cache_that_cannot_be_written_costs_time_only(gallery, tiny_model, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "file" / "cache"))
    assert embedded(tiny_model, gallery) == embedded(tiny_model, gallery) == 4
    assert "embeddings are not cached" in caplog.text


def test_a_full_disk_leaves_no_half_cache(gallery, tiny_model, cache, monkeypatch):
    def fill(file, **arrays):
        file.write(b"half")
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
    assert ids(search(retriever, "dog")) == ["good.wav"]
    assert "bad.mp3" in caplog.text and "empty.wav" in caplog.text
    (folder / "good.wav").unlink()
    with pytest.raises(GalleryError, match="none of the 2 sounds of gallery 'mixed' can be read"):
        Retriever(tiny_model, load_folder(folder))


def test_sounds_too_faint_for_a_number_do_not_stop_the_others(tmp_path, gallery, tiny_model):
    (faint := tmp_path / "faint").mkdir()
    (faint / "good.wav").write_bytes(gallery.clips[0].path.read_bytes())
    soundfile.write(faint / "faint.wav", np.full(16_000, 1e-41, np.float32), 16_000, "FLOAT")
    soundfile.write(faint / "silent.wav", np.zeros(16_000, np.float32), 16_000, "FLOAT")
    assert "good.wav" in ids(search(Retriever(tiny_model, load_folder(faint)), "dog"))


def test_an_empty_gallery_is_told(tiny_model):
    with pytest.raises(GalleryError, match="none of the 0 sounds of gallery 'nothing'"):
        Retriever(tiny_model, Gallery("nothing", ()))


def test_eight_threads_find_what_one_finds(gallery, tiny_model, noise):
    words = ["dog", "cat", "hund", "katze", "rain", "bird", "bell", "a dog", "a cat"]

    def ask(retriever: Retriever, number: int):
        if number % 3 == 0:
            language = ("de", "en", "fr")[number % 9 // 3]
            return search(retriever, target="text", sound=noise[: 4000 + number], language=language, top=3)
        language = ("en", "de", None)[number % 3]
        return search(retriever, words[number % len(words)], "text", language=language, top=3)

    numbers = range(96)
    alone = Retriever(tiny_model, gallery)
    expected = [ask(alone, number) for number in numbers]
    shared = Retriever(tiny_model, gallery)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: ask(shared, number), numbers))
    assert [ids(result) for result in found] == [ids(result) for result in expected]
    for result, wanted in zip(found, expected, strict=True):
        assert [hit.score for hit in result] == pytest.approx([hit.score for hit in wanted], abs=1e-5)


@pytest.fixture
def licensed(gallery, tiny_model) -> Retriever:
    """The gallery with two licences; each has a sound called a dog."""
    licences = dict(zip("abcd", ("CC0", "GPL", "GPL", "GPL"), strict=True))
    clips = [dataclasses.replace(clip, licence=licences[clip.clip_id[0]]) for clip in gallery.clips]
    return Retriever(tiny_model, Gallery("licensed", tuple(clips)))


@pytest.mark.parametrize("target", ["audio", "text"])
@pytest.mark.parametrize("licence", ["CC0", "GPL", "nobody's"])
def test_a_licence_finds_what_a_gallery_of_that_licence_alone_finds(licensed, tiny_model, target, licence):
    clips = tuple(clip for clip in licensed.gallery.clips if clip.licence == licence)
    alone = search(Retriever(tiny_model, Gallery("alone", clips)), "dog", target, language="en") if clips else ()
    for top in (1, 2, 10):
        hits = search(licensed, "dog", target, language="en", licence=licence, top=top)
        assert ids(hits) == ids(alone)[:top]
        assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in alone[:top]], abs=1e-6)


def test_a_description_that_clips_share_names_the_first_of_the_licence(licensed):
    found = {licence: search(licensed, "dog", "text", licence=licence)[0] for licence in ("", "CC0", "GPL")}
    assert {licence: hit.clip_id for licence, hit in found.items()} == {"": "a.wav", "CC0": "a.wav", "GPL": "d.wav"}


def test_what_is_like_a_clip_may_have_another_licence(licensed):
    hits = search(licensed, like="a.wav", licence="GPL")
    assert sorted(ids(hits)) == ["b.wav", "c.wav", "d.wav"] and [hit.rank for hit in hits] == [1, 2, 3]


def test_invented_licences_are_not_remembered(licensed):
    for number in range(20):
        assert search(licensed, "dog", licence=f"licence {number}") == ()
    assert len(licensed._sounds._views) <= 1


def test_sounds_are_found_in_an_index_of_another_engine(gallery, tiny_model, retriever, noise, tmp_path, caplog):
    index = open_index(f"exact:{tmp_path / 'index'}", tiny_model.dimension)
    index.add(["gone.wav"], tiny_model.encode_audio([noise]))
    index.add(["c.wav", "b.wav", "a.wav"], retriever.embeddings(["c.wav", "b.wav", "a.wav"]))
    served = Retriever(tiny_model, gallery, index=index)
    assert "1 of 4 sounds of gallery" in caplog.text
    assert not served.has("d.wav") and not served.has("gone.wav")
    assert ids(search(served, sound=noise)) == [name for name in ids(search(retriever, sound=noise)) if name != "d.wav"]
    assert ids(search(served, like="a.wav")) == [
        name for name in ids(search(retriever, like="a.wav")) if name != "d.wav"
    ]
    assert np.allclose(served.embeddings(["b.wav", "a.wav"]), retriever.embeddings(["b.wav", "a.wav"]))
    with pytest.raises(GalleryError, match="none of the 4 sounds of gallery .* are in the index"):
        Retriever(tiny_model, gallery, index=open_index("memory:", tiny_model.dimension))


def test_a_description_is_embedded_anew_when_one_of_its_words_is_taught(gallery, tiny_model, tmp_path):
    table = build([Sense("cat", "de", "katze", 3, True)], least=1)
    memory = LexicalMemory(LexicalMemoryConfig("bundled", "studio", 0.8, 0.0, 3, 1.0), table)
    model, words = tiny_model.with_parts(memory), PersonalWords(tmp_path / "words.jsonl")
    model.follow_words(words)
    retriever = Retriever(model, gallery)
    taught = retriever.embed(SearchRequest(text="rain"))

    def scores():
        return {hit.text: hit.score for hit in retriever.nearest(dataclasses.replace(taught, language="de"), "text")}

    before, named = scores(), model.text_fingerprint
    words.add([PersonalWord("de", "hund", "rain")])
    after = scores()
    assert after["hund"] > before["hund"] and {**after, "hund": 0} == {**before, "hund": 0}
    assert model.text_fingerprint != named == model.fingerprint
