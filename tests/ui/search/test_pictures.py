"""Asking for pictures and with pictures, on a tiny model that sees; no server."""

from __future__ import annotations

import csv
import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from searching import search

from cacara.encoders.image import ImageTower
from cacara.encoders.onnx.yamnet import OnnxYamnet
from cacara.encoders.yamnet import Yamnet
from cacara.errors import GalleryError, ImageError, QueryError
from cacara.galleries.gallery import PICTURE, load_folder
from cacara.media import audio
from cacara.search.retriever import Retriever
from tests.ui.services.test_services import make_gallery
from ui.layout import preparation
from ui.page.wording import wording
from ui.review import actions as review_actions
from ui.search import picture_input, rendering
from ui.search import tab as search_tab
from ui.search.actions import search_audio, search_image, search_like, search_text
from ui.search.judgements import flag, undo
from ui.search.picture_input import PictureInput
from ui.server.media import _sound
from ui.server.playable import PlayableCopies
from ui.services.engine import Engine
from ui.services.services import Feedback, Services

ME = "visitor-1"


def paint(path, colour):
    Image.new("RGB", (30, 20), colour).save(path)
    return path


@pytest.fixture(scope="module")
def services(seeing_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    gallery = make_gallery(folder / "gallery")
    for name, colour in (("dog", (120, 80, 40)), ("sun", (250, 220, 30)), ("sea", (20, 60, 200))):
        paint(gallery / f"{name}.png", colour)
    (gallery / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(32))
    with (gallery / "captions.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [["sun.png", "de", "Die <i>Sonne</i>.", "sun"], ["sun.png", "en", "The sun.", "sun"]]
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        engine = Engine(lambda report: Retriever(seeing_model, load_folder(gallery), report))
        engine._run()
        assert engine.status.phase == "ready", engine.status
        made = Services(engine, Feedback(folder / "feedback.db"))
        yield made
        made.feedback.store().close()


@pytest.fixture
def retriever(services):
    return services.engine.retriever(wording("en"))


@pytest.fixture
def photograph(tmp_path):
    return str(paint(tmp_path / "photograph.jpg", (240, 210, 40)))


def page_of(services, search, query, **options):
    return search_tab.show(services, search, query, **options)[0]


def pictures_of(found):
    return {hit["clip_id"] for hit in found["pictures"]["hits"]}


ALL = {f"{PICTURE}{name}.png" for name in ("dog", "sun", "sea")}


def test_a_text_finds_pictures_beside_sounds_under_a_search_of_their_own(services):
    found = search_text(services, "sonne", "de")
    assert len(found["hits"]) == 4
    assert pictures_of(found) == ALL
    assert found["search_id"] != found["pictures"]["search_id"]
    sun = next(hit for hit in found["pictures"]["hits"] if "sun" in hit["clip_id"])
    assert (sun["caption"], sun["caption_language"], sun["concept"]) == ("Die <i>Sonne</i>.", "de", "sun")
    assert (sun["sound"], sun["picture"]) == (None, "media/picture?clip=picture%3Asun.png")


def test_a_picture_has_the_texts_of_the_sound_of_its_name_else_its_own_name(retriever):
    assert retriever.clip(f"{PICTURE}dog.png").captions["ar"] == ("كلب.",)
    assert retriever.clip(f"{PICTURE}sea.png").captions == {"en": ("sea",)}


def test_a_picture_that_cannot_be_read_is_left_out(retriever):
    with pytest.raises(GalleryError, match="no clip"):
        retriever.clip(f"{PICTURE}broken.png")


def test_a_recording_finds_pictures(services, tmp_path):
    audio.write_wav(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32))
    assert pictures_of(search_audio(services, str(tmp_path / "a.wav"))) == ALL


def test_a_picture_finds_sounds_and_the_pictures_that_look_like_it(services, photograph):
    found = search_image(services, photograph, "de", top_k=2)
    assert [hit["rank"] for hit in found["sounds"]["hits"]] == [1, 2]
    assert found["pictures"]["hits"][0]["clip_id"] == f"{PICTURE}sun.png"
    assert found["pictures"]["hits"][0]["caption"] == "Die <i>Sonne</i>."
    assert (found["language"], found["language_source"]) == ("de", "image")
    assert found["sounds"]["search_id"] is found["pictures"]["search_id"] is None


def test_a_found_picture_is_judged_as_a_sound_is(services):
    found = search_text(services, "sonne", "de")["pictures"]
    answer = flag(services, found["search_id"], found["hits"][1]["clip_id"], "relevant", ME)
    (row,) = services.feedback.store().current_judgements()
    assert (row.clip_id, row.rank, row.query_text) == (found["hits"][1]["clip_id"], 2, "sonne")
    undo(services, answer["judgement_id"], ME)


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "empty"), (b"no picture", "wanted a picture"), (b"<svg/>", "wanted")]
)
def test_a_file_that_is_no_picture_is_told_so(services, tmp_path, content, said):
    path = tmp_path / "upload.svg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=said):
        search_image(services, str(path))


def test_without_a_picture_one_is_asked_for_in_the_interfaces_language(services):
    with pytest.raises(QueryError, match="lade eines hoch"):
        search_image(services.speaking(wording("de")), None)


def test_a_model_that_knows_no_pictures_says_so_and_shows_none(tiny_model, services, photograph, tmp_path, monkeypatch):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path))
    gallery = services.engine.retriever(wording("en")).gallery
    engine = Engine(lambda report: Retriever(tiny_model, gallery, report))
    engine._run()
    blind = Services(engine, services.feedback)
    assert search_text(blind, "dog")["pictures"] is None
    with pytest.raises(QueryError, match="knows no pictures"):
        search_image(blind, photograph)
    with pytest.raises(QueryError, match="no pictures can be searched"):
        search(engine.retriever(wording("en")), "dog", "image")
    assert 'class="pictures"' not in page_of(blind, search_text, "dog")
    assert (preparation(blind).sees, preparation(services).sees) == (False, True)


def test_a_picture_finds_sounds_in_a_gallery_without_pictures(
    seeing_model, services, photograph, tmp_path, monkeypatch
):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path))
    gallery = dataclasses.replace(services.engine.retriever(wording("en")).gallery, pictures=())
    engine = Engine(lambda report: Retriever(seeing_model, gallery, report))
    engine._run()
    sounds_alone = Services(engine, services.feedback)
    found = search_image(sounds_alone, photograph)
    assert len(found["sounds"]["hits"]) == 4 and found["pictures"] is None
    assert preparation(sounds_alone).sees, "the page takes a picture"
    assert 'class="pictures"' not in page_of(sounds_alone, search_image, photograph)
    with pytest.raises(QueryError, match="This gallery has no pictures"):
        search_text(sounds_alone, "dog", kind="picture")


def test_the_page_shows_pictures_with_their_texts_escaped(services, photograph):
    page = page_of(services.speaking(wording("de")), search_text, "sonne", language="de")
    assert 'aria-label="Bilder"' in page
    assert "Die &lt;i&gt;Sonne&lt;/i&gt;." in page
    assert page.count("<audio") == 4
    seen = page_of(services, search_image, photograph)
    assert "Similar pictures" in seen
    assert "data-label" not in seen, "what a picture finds is not judged"


def test_a_picture_has_no_sound(retriever):
    assert _sound(PlayableCopies(), retriever.clip(f"{PICTURE}sun.png")).status_code == 404


def test_an_upload_reaches_the_handler_unopened(tmp_path):
    from gradio.data_classes import ImageData

    field = PictureInput(type="filepath", image_mode=None)
    (tmp_path / "bomb.png").write_bytes(b"whatever")
    assert field.preprocess(ImageData(path=str(tmp_path / "bomb.png"))) == str(tmp_path / "bomb.png")
    assert field.preprocess(None) is None
    assert field.get_block_name() == "image"
    assert not Path(picture_input.__file__).with_suffix(".pyi").exists()


def test_embeddings_of_pictures_come_from_the_cache_the_second_time(seeing_model, services, monkeypatch):
    gallery = services.engine.retriever(wording("en")).gallery
    monkeypatch.setattr(seeing_model, "encode_image", lambda images: pytest.fail("embedded again"))
    assert Retriever(seeing_model, gallery).sees


def test_a_list_without_a_search_id_has_no_buttons():
    hit = {"clip_id": "a", "caption": "A.", "caption_language": "en", "rank": 1, "score": 0.5, "picture": None}
    hit |= {"verdict": None, "heard": []}
    found = {"notes": [], "licence": "", "sounds": {"search_id": None, "nothing_fits": False, "hits": []}}
    found["pictures"] = {"search_id": None, "nothing_fits": False, "hits": [hit | {"source": "s", "licence": "l"}]}
    page = rendering.image_results(found, wording("en"))
    assert 'data-search=""' in page
    assert "data-label" not in page


@pytest.fixture
def passes(seeing_model, monkeypatch):
    """Counts of the calls of each tower of the model."""
    counted = Counter()

    def count(owner, method, name):
        work = getattr(owner, method)

        def counting(self, *given, **named):
            counted[name] += 1
            return work(self, *given, **named)

        monkeypatch.setattr(owner, method, counting)

    count(Yamnet, "forward", "sound")
    count(OnnxYamnet, "forward", "sound")
    count(ImageTower, "forward", "picture")
    count(type(seeing_model.text), "read", "text")
    return counted


def test_an_upload_goes_through_each_tower_once_whatever_is_looked_for(services, photograph, tmp_path, passes):
    audio.write_wav(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32))
    search_audio(services, str(tmp_path / "a.wav"))  # embeds the descriptions, once for all
    passes.clear()
    found = search_audio(services, str(tmp_path / "a.wav"))
    assert all(found[name]["hits"] for name in ("words", "sounds", "pictures")) and "speech" in found
    assert passes == {"sound": 1}
    passes.clear()
    found = search_image(services, photograph)
    assert found["sounds"]["hits"] and found["pictures"]["hits"] and passes == {"picture": 1}
    passes.clear()
    services.engine.retriever(wording("en")).model.forget_texts(["dog bell"])
    found = search_text(services, "dog bell", "en")
    assert found["hits"] and found["pictures"]["hits"] and passes == {"text": 1}
    passes.clear()
    assert search_like(services, "dog.wav")["pictures"]["hits"] and not passes


def test_a_campaign_asks_about_pictures_too(services):
    campaign = review_actions.review_save_campaign(services, settings={"name": "All", "languages": ["en"]}, lead="Lea")
    added = review_actions.review_add_queries(
        services, campaign_id=campaign["campaign_id"], queries="en: the sun", top_k=2
    )
    assert added == {"added": 4, "problems": []}
    store = services.feedback.store()
    kinds = Counter((item.clip_kind, item.clip_id.startswith(PICTURE)) for item in store.items(campaign["campaign_id"]))
    assert kinds == {("sound", False): 2, ("picture", True): 2}
