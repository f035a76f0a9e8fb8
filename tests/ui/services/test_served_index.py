"""The app over an index that the command filled: the same hits as in memory, and no sound embedded again."""

from __future__ import annotations

import logging

import pytest

import app as app_module
from cacara.commands import index as index_command
from cacara.errors import QueryError
from cacara.galleries.gallery import load_folder
from cacara.model import checkpoint
from cacara.model.config import DEFAULT_MODEL
from cacara.search import bulk_embedding, engines
from cacara.search.retriever import Retriever
from tests.ui.services.test_services import CAPTIONS, make_gallery
from ui.page.wording import wording
from ui.search.actions import search_like, search_text


@pytest.fixture
def place(tiny_model, tmp_path, monkeypatch):
    """A folder of sounds, and a model that every name loads."""
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(checkpoint, "load", lambda *_, **__: tiny_model)
    make_gallery(tmp_path / "sounds")
    return tmp_path


def fill(model, place, uri) -> None:
    bulk_embedding.list_folder(place / "sounds", place / "work")
    bulk_embedding.embed_folder(model, place / "sounds", place / "work")
    index_command.fill(model, engines.open_index(uri, model.dimension), uri, place / "work")


def start(place, uri):
    """Return the services of the app with these flags, its model ready or failed."""
    flags = ["--gallery", str(place / "sounds"), "--index", uri, "--database", str(place / "feedback.db")]
    services = app_module.make_services(app_module.read_settings(flags, {}))
    services.engine._default = DEFAULT_MODEL
    services.engine._run(DEFAULT_MODEL)
    return services


@pytest.mark.parametrize("engine", ["exact", "lancedb"])
def test_the_app_searches_what_the_command_indexed(engine, tiny_model, place, monkeypatch, caplog):
    uri = f"{engine}:{place / 'index'}"
    fill(tiny_model, place, uri)
    in_memory = Retriever(tiny_model, load_folder(place / "sounds"))
    monkeypatch.setattr(tiny_model, "encode_audio", lambda *_: pytest.fail("a sound is embedded again"))
    services = start(place, uri)
    assert services.engine.status.phase == "ready", services.engine.status
    served = services.engine.retriever(wording("en"))
    assert type(served._sounds.index) is type(engines.open_index(uri, 32))
    monkeypatch.setattr(services.engine, "retriever", lambda *_: in_memory)
    wanted = [search(services) for search in SEARCHES]
    monkeypatch.setattr(services.engine, "retriever", lambda *_: served)
    for own, other in zip(wanted, [search(services) for search in SEARCHES], strict=True):
        assert [hit["clip_id"] for hit in own] == [hit["clip_id"] for hit in other]
        assert [hit["score"] for hit in own] == pytest.approx([hit["score"] for hit in other], abs=1e-5)
    names = list(CAPTIONS)
    assert served.embeddings(names) == pytest.approx(in_memory.embeddings(names), abs=1e-5)


SEARCHES = (
    lambda services: search_text(services, "ein hund", "de", top_k=3)["hits"],
    lambda services: search_text(services, "ein hund", licence="nobody's")["hits"],
    lambda services: search_like(services, "bell.wav")["sounds"]["hits"],
)


def test_a_model_that_did_not_fill_the_index_embeds_the_gallery(tiny_model, place, monkeypatch, caplog):
    uri = f"exact:{place / 'index'}"
    fill(tiny_model, place, uri)
    engines.write_maker(uri, "another-1234")
    with caplog.at_level(logging.WARNING):
        services = start(place, uri)
    assert len(search_text(services, "dog")["hits"]) == 4
    assert "is by another-1234; tiny-tiny embeds the gallery anew" in caplog.text


def test_what_is_no_index_is_told_with_the_command_that_fills_it(place):
    services = start(place, f"exact:{place / 'nothing'}")
    with pytest.raises(
        QueryError, match="does not say which model made it; wanted one filled by python -m cacara index"
    ):
        search_text(services, "dog")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--index", "exact:clips"], "found no --gallery"),
        (["--gallery", "sounds", "--index", "clips"], "unknown engine 'clips'"),
        (["--gallery", "sounds", "--index", "memory:"], "wanted exact:FOLDER or lancedb:PLACE"),
    ],
)
def test_an_index_that_cannot_be_served_is_a_wrong_flag(flags, said, capsys):
    with pytest.raises(SystemExit):
        app_module.read_settings(flags, {})
    assert said in capsys.readouterr().err
