"""Faults while the app runs: files vanish, are cut short, or are replaced."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from serving import served
from visitors import TOLD, Visitor

from cacara import sources
from cacara.commands import index as index_commands
from cacara.encoders import audio as audio_backbones
from cacara.encoders import text as text_backbones
from cacara.errors import CacaraError, CheckpointError, QueryError
from cacara.model import checkpoint
from cacara.model.checkpoint import CARD, CONFIG, WEIGHTS
from cacara.model.registry import POINTER, VERSIONS, Registry
from cacara.search import bulk_embedding
from cacara.search.engines import open_index
from tests.cacara.sources.test_fetching import local_source  # noqa: F401 - a fixture
from tests.ui.services.test_services import make_gallery, make_services
from ui.model_selector.selector import choose
from ui.search.actions import search_text
from ui.server import media
from ui.services import engine as engine_module
from ui.services.engine import Engine
from ui.services.models import ServedModels
from ui.services.services import Feedback, Services


def wait_for(threads: str) -> None:
    for thread in threading.enumerate():
        if thread.name == threads:
            thread.join(30)


def empty(folder: Path, keep_folders: bool = False) -> None:
    """Empty a folder as people do, or, leaving folders without files, as programs that look for old files do."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file():
            path.unlink()
        elif not keep_folders:
            path.rmdir()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(tmp_path_factory.mktemp("faults") / "cache"))
        yield sources.cache_folder()


@pytest.fixture(scope="module")
def services(tiny_model, cache):
    return make_services(tiny_model, cache.parent)


@pytest.fixture(scope="module")
def visitor(services):
    with served(services) as address:
        yield Visitor(address)


@pytest.mark.parametrize("keep_folders", [False, True])
def test_an_app_whose_cache_is_emptied_answers_as_before_and_fills_it_again(
    services, visitor, cache, tiny_model, keep_folders
):
    wave = "/media/waveform?clip=dog.wav"
    told, drawn = visitor.call("search_text", "dog", *TOLD)["hits"], visitor.request("GET", wave)
    assert drawn[0] == 200
    asked = ("dog", "en", 3, ["en"], True, "", "en")
    while str(place := visitor.call("map_neighbours", *asked)).startswith("error"):
        assert "map" in place, place
        time.sleep(0.3)
    assert {path.parent.name for path in cache.rglob("*") if path.is_file()} >= {"embeddings", "drawings"}
    empty(cache, keep_folders)
    assert visitor.call("search_text", "dog", *TOLD)["hits"] == told
    assert visitor.request("GET", wave) == drawn
    assert visitor.call("map_neighbours", *asked) == place
    again = make_services(tiny_model, cache.parent)  # what another model would do
    assert [hit["clip_id"] for hit in search_text(again, "dog", "auto", 3)["hits"]] == [hit["clip_id"] for hit in told]
    assert {path.parent.name for path in cache.rglob("*") if path.is_file()} >= {"embeddings", "drawings"}


def test_uploads_go_on_when_their_folder_is_removed(visitor):
    path = Path(visitor.upload(b"RIFF", "a.wav"))
    for folder in (path.parent, Path(os.environ["GRADIO_TEMP_DIR"])):
        shutil.rmtree(folder)
        answer = visitor.call("search_audio", {"path": str(path), "meta": {"_type": "gradio.FileData"}}, *TOLD)
        assert answer.startswith("error"), "it went"
        path = Path(visitor.upload(b"RIFF", "a.wav"))
        assert path.is_file()


def test_a_sound_that_went_with_the_cache_is_fetched_again(local_source, tiny_model, tmp_path):  # noqa: F811
    path = sources.fetch("test") / "cacaratestpackage" / "a.ogg"
    content = path.read_bytes()
    assert media._file(path).status_code == 200
    empty(sources.cache_folder(), keep_folders=True)
    answer = media._file(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    wait_for("fetch")
    assert path.read_bytes() == content
    assert media._file(tmp_path / "elsewhere.ogg").status_code == 404


def test_a_gallery_whose_files_came_back_is_read_again_for_the_next_model(tmp_path):
    shelf = ServedModels(Registry(tmp_path / "models"), make_gallery(tmp_path / "gallery"), "cpu")
    first = shelf._sounds(print)
    assert shelf._sounds(print) is first
    shutil.rmtree(tmp_path / "gallery")
    with pytest.raises(CacaraError, match="no gallery at"):
        shelf._sounds(print)
    make_gallery(tmp_path / "gallery")
    assert [clip.clip_id for clip in shelf._sounds(print).clips] == [clip.clip_id for clip in first.clips]


@pytest.mark.parametrize("damage", ["truncated", "emptied", "removed"])
def test_a_damaged_text_encoder_in_the_cache_is_made_anew(tiny_text_folder, cache, monkeypatch, tiny_model, damage):
    place, made = cache / "models" / "tiny", []

    def prepare(report) -> Path:
        if not (place / "model.safetensors").is_file():
            made.append(shutil.copytree(tiny_text_folder, place, dirs_exist_ok=True))
        return place

    monkeypatch.setitem(text_backbones.BACKBONES, "tiny", prepare)
    config = dataclasses.replace(tiny_model.config.text, backbone="tiny")
    text_backbones.load(config)
    weights = place / "model.safetensors"
    if damage == "removed":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[: 1000 if damage == "truncated" else 0])
    assert text_backbones.load(config).dimension == 32
    assert len(made) == 2
    shutil.rmtree(place)


class Promotions:
    """A registry of tiny model folders, and an app over it."""

    def __init__(self, tiny_model, folder: Path) -> None:
        self.registry, self._model = Registry(folder / "models"), tiny_model
        self.row = {"promoted_utc": "2026-01-01T00:00:00+00:00", "forced": False, "gate": {}}
        shelf = ServedModels(self.registry, make_gallery(folder / "gallery"), "cpu")
        self.services = Services(Engine(models=shelf), Feedback(folder / "feedback.db"))

    def promote(self, *versions: str) -> Path:
        """Put the last of these versions before the app, as another program would, and return its folder."""
        rows = [{"model_id": f"tiny@{each}", "name": "tiny", "version": each} | self.row for each in versions]
        place = self.registry.folder / VERSIONS / "tiny" / versions[-1]
        config = dataclasses.replace(
            self._model.config,
            version=versions[-1],
            audio=dataclasses.replace(self._model.config.audio, backbone="tiny"),
            languages=("de", "en"),
        )
        checkpoint.save(place, config, [self._model.head, self._model.centring], "A card.")
        content = {"format_version": 1, "stack": [f"tiny@{each}" for each in versions], "models": rows, "history": []}
        (self.registry.folder / POINTER).write_text(json.dumps(content))
        return place

    def follow(self) -> None:
        self.services.engine.follow_promotion()
        wait_for("prepare")
        self.services.engine.follow_promotion()

    def answering(self) -> str:
        return search_text(self.services, "dog", "en", 3)["model_version"]


@pytest.fixture
def promotions(tiny_model, tmp_path, monkeypatch, cache):
    yamnet = tiny_model.audio.network
    monkeypatch.setitem(audio_backbones.BACKBONES, "tiny", lambda report: copy.deepcopy(yamnet))
    monkeypatch.setattr(engine_module, "POLLING_SECONDS", 3600.0)  # the tests look themselves
    made = Promotions(tiny_model, tmp_path)
    made.promote("1")
    made.services.engine.start()
    wait_for("prepare")
    assert made.answering() == "1"
    yield made
    made.services.feedback.store().close()


def truncate(place: Path) -> None:
    path = place / WEIGHTS
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_a_tensor(place: Path) -> None:
    tensors = load_file(place / WEIGHTS)
    save_file({name: tensors[name] for name in sorted(tensors)[1:]}, place / WEIGHTS)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncate, "is damaged"),
        (drop_a_tensor, "does not fit its config.json"),
        (lambda place: (place / WEIGHTS).unlink(), f"lacks {WEIGHTS}"),
        (lambda place: (place / CARD).unlink(), f"lacks {CARD}"),
        (lambda place: (place / CONFIG).write_text('{"name'), "cannot be read"),
    ],
)
def test_a_model_folder_that_is_replaced_half_way_leaves_the_old_model_and_says_why(promotions, damage, said):
    place = promotions.promote("1", "2")
    whole = {path.name: path.read_bytes() for path in place.iterdir()}
    damage(place)
    promotions.follow()
    assert promotions.answering() == "1"
    status = promotions.services.engine.status_of("tiny@2")
    assert status.phase == "failed" and said in status.problem
    for name, content in whole.items():  # now the other half comes
        (place / name).write_bytes(content)
    choose(promotions.services, "tiny@2", "")
    wait_for("prepare")
    promotions.follow()
    assert promotions.answering() == "2"


def test_a_model_folder_that_changes_while_it_is_read_is_no_mixture_of_two(promotions, monkeypatch):
    place = promotions.promote("1", "2")
    load = text_backbones.load

    def swapped_meanwhile(config, report):
        other = json.loads((place / CONFIG).read_text()) | {"version": "3"}
        (place / CONFIG).write_text(json.dumps(other))
        return load(config, report)

    with monkeypatch.context() as patch:
        patch.setattr(text_backbones, "load", swapped_meanwhile)
        promotions.follow()
        assert promotions.answering() == "1"
        assert "changed while it was read" in promotions.services.engine.status_of("tiny@2").problem


def test_the_folder_of_the_model_that_answers_may_go_or_be_cut_short(promotions):
    place = promotions.promote("1")
    truncate(place)
    assert promotions.answering() == "1"
    shutil.rmtree(promotions.registry.folder)
    assert promotions.answering() == "1"
    with pytest.raises(CheckpointError):
        checkpoint.load(place, "cpu")


@pytest.fixture
def indexed(tiny_model, tmp_path, request, cache):
    """A folder of sounds in an index on disk: the index's URI, its folder, and a function that indexes once more."""
    folder, work = make_gallery(tmp_path / "sounds"), tmp_path / "work"
    uri = f"{request.param}:{tmp_path / 'index'}"
    bulk_embedding.list_folder(folder, work)
    bulk_embedding.embed_folder(tiny_model, folder, work)

    def fill():
        index = open_index(uri, tiny_model.dimension)
        index_commands.fill(tiny_model, index, uri, work)
        return index

    fill()
    return tmp_path / "index", work, fill


def found(index, tiny_model) -> set[str]:
    return {hit.item_id for hit in index.nearest(tiny_model.encode_text(["dog"], ["en"]), 9)[0]}


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("indexed", ["exact", "lancedb"], indirect=True)
def test_an_index_that_is_cut_short_is_noticed_told_and_made_again_as_the_message_says(indexed, tiny_model, keep):
    place, _, fill = indexed
    before = found(fill(), tiny_model)
    assert len(before) == 4
    path = next(path for path in place.rglob("*") if path.name.endswith(("000001.npz", ".lance")) and path.is_file())
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(QueryError, match="damaged.*delete it and\\s+index the folder again"):
        found(fill(), tiny_model)
    path.unlink() if path.suffix == ".npz" else shutil.rmtree(place)
    assert found(fill(), tiny_model) == before


@pytest.mark.parametrize("indexed", ["lancedb"], indirect=True)
def test_every_call_to_an_index_that_went_says_so(indexed, tiny_model):
    place, _, fill = indexed
    index = fill()
    shutil.rmtree(place)
    with pytest.raises(QueryError, match="cannot be read or written"):
        found(index, tiny_model)
    with pytest.raises(QueryError, match="cannot be read or written"):
        index.add(["new"], tiny_model.encode_text(["dog"], ["en"]))


@pytest.mark.parametrize("indexed", ["exact"], indirect=True)
def test_a_damaged_record_of_an_index_is_told(indexed):
    _, work, fill = indexed
    (record,) = work.glob("index-*.json")
    record.write_text(record.read_text()[:20])
    with pytest.raises(CacaraError, match="is damaged .* delete it and that index"):
        fill()


@pytest.mark.parametrize("indexed", ["exact"], indirect=True)
def test_a_piece_of_embeddings_that_is_cut_short_is_told_and_made_again(indexed, tiny_model):
    place, work, fill = indexed
    shutil.rmtree(place)
    (piece,) = bulk_embedding.pieces_folder(work, tiny_model).iterdir()
    piece.write_bytes(piece.read_bytes()[:-50])
    with pytest.raises(CacaraError, match="delete it and run again"):
        fill()
    piece.unlink()
    bulk_embedding.embed_folder(tiny_model, place.parent / "sounds", work)
    assert len(found(fill(), tiny_model)) == 4
