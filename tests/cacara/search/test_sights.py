"""A film is taken wherever a picture is: files, the commands, and films made of the benchmark's pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from cacara.__main__ import main
from cacara.benchmark import retrieval
from cacara.benchmark.dataset import films, splits
from cacara.benchmark.dataset.splits import Benchmark, Query
from cacara.errors import ImageError, QueryError
from cacara.media import audio, images, video
from cacara.model import checkpoint
from cacara.search import setup as preparation
from cacara.search import sights
from cacara.search.embedding import embed
from tests.cacara.benchmark.test_retrieval_of_pictures import CONCEPTS, clip
from tests.cacara.media.test_video import film


def picture(path, colour=(200, 30, 30)):
    Image.new("RGB", (40, 30), colour).save(path)
    return path


def tone(path, seconds=3):
    audio.write_wav(path, np.sin(np.arange(16_000 * seconds) * 0.2).astype(np.float32) / 2)
    return path


def test_a_picture_is_one_and_a_film_is_twelve(tmp_path):
    assert [seen.shape for seen in sights.load(picture(tmp_path / "a.png"))] == [(30, 40, 3)]
    assert [seen.shape for seen in sights.load(film(tmp_path / "a.MP4"))] == [(48, 64, 3)] * 12
    with pytest.raises(ImageError, match=r"no\.mkv"):
        sights.load(tmp_path / "no.mkv")


def test_a_film_lies_at_the_mean_of_its_pictures(seeing_model, tiny_model, tmp_path):
    seen = sights.load(film(tmp_path / "a.mp4"))
    mean = seeing_model.encode_image(seen).mean(0)
    assert np.allclose(sights.embed(seeing_model, seen), mean / np.linalg.norm(mean), atol=1e-6)
    with pytest.raises(QueryError, match="knows no pictures"):
        sights.embed(tiny_model, seen)
    with pytest.raises(ImageError, match="0 pictures"):
        sights.embed(seeing_model, [])


def test_the_search_command_takes_a_film_for_a_picture(seeing_model, tmp_path, monkeypatch, capsys):
    asked = []

    class Searched:
        model = seeing_model

        def embed(self, request):
            asked.append(request.pictures)
            return embed(seeing_model, request)

        def nearest(self, query, target):
            return ()

        def nothing_fits(self, query, target, hits):
            return False

    monkeypatch.setattr(preparation, "prepare", lambda *_: Searched())
    path = film(tmp_path / "a.mp4")
    assert main(["search", "--image", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["query"] == str(path)
    assert all(np.array_equal(*pair) for pair in zip(asked[0], video.frames(path), strict=True))


def test_passages_of_a_recording_are_found_by_a_film_and_by_a_picture(seeing_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoint, "load", lambda *_, **__: seeing_model)
    tape = tone(tmp_path / "tape.wav", 6)
    for path in (film(tmp_path / "a.mp4"), picture(tmp_path / "b.png")):
        assert main(["find", str(tape), "--image", str(path), "--json"]) == 0
        (search,) = json.loads(capsys.readouterr().out)["searches"]
        assert search["query"] == path.name and search["hits"][0]["rank"] == 1
    assert main(["find", str(tape)]) == 1
    assert "give --query TEXT, --audio FILE or --image FILE" in capsys.readouterr().err


def test_a_passage_is_not_found_by_a_film_where_the_model_is_blind(tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoint, "load", lambda *_, **__: tiny_model)
    assert main(["find", str(tone(tmp_path / "tape.wav")), "--image", str(picture(tmp_path / "b.png"))]) == 1
    assert "knows no pictures" in capsys.readouterr().err


def test_a_silent_film_is_classified_by_what_it_shows(seeing_model, tiny_model, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "field"
    folder.mkdir()
    path = film(folder / "silent.mov")
    tone(folder / "sound.wav")
    (tmp_path / "labels.csv").write_text("label,language,name\ndog,en,dog\ncat,en,cat\n")
    (tmp_path / "truth.csv").write_text("file,label\nsilent.mov,dog\n")
    command = [
        "classify",
        str(folder),
        "--labels",
        str(tmp_path / "labels.csv"),
        "--truth",
        str(tmp_path / "truth.csv"),
    ]
    monkeypatch.setattr(checkpoint, "load", lambda *_, **__: seeing_model)
    assert main([*command, "--output", str(tmp_path / "out")]) == 0
    row = (tmp_path / "out" / "predictions.csv").read_text().splitlines()[1].split(",")
    where = sights.embed(seeing_model, video.frames(path))
    wanted = float(np.max(seeing_model.encode_text(["cat", "dog"], "en") @ where))
    assert row[0] == "silent.mov" and float(row[4]) == pytest.approx(wanted, abs=1e-5)
    monkeypatch.setattr(checkpoint, "load", lambda *_, **__: tiny_model)
    assert main([*command, "--output", str(tmp_path / "blind")]) == 0
    assert "skipped silent.mov" in capsys.readouterr().err


def test_a_film_made_of_a_picture_begins_near_and_ends_with_all_of_it_the_same_each_time():
    pixels = np.zeros((60, 90, 3), np.uint8)
    pixels[:30, :45] = (250, 250, 250)  # all that is to be seen at the beginning
    frames = films.frames_of(pixels)
    assert {frame.shape for frame in frames} == {(150, 224, 3)}  # even sides, as the codec wants
    brightness = [frame.mean() for frame in frames]
    assert brightness[0] > 200 and brightness[-1] < 80 and brightness == sorted(brightness, reverse=True)
    assert films.film(pixels) == films.film(pixels)


def test_films_are_measured_by_the_mean_of_their_frames(seeing_model):
    random = np.random.default_rng(0)
    shown = tuple(clip(f"picture/{concept}", concept, "image") for concept in CONCEPTS)
    queries = tuple(Query(concept, "en", concept) for concept in CONCEPTS)
    frames = [random.integers(0, 255, (9, 9, 3)).astype(np.uint8) for _ in range(2 * len(shown))]
    asked = Benchmark("films", "0" * 12, "dev", shown, queries)
    silent = Benchmark("none", "1" * 12, "dev", (), ())
    found = retrieval.measure_pictures(seeing_model, asked, frames, silent, [], frames=2)[0].outcomes["text_to_image"][
        "en"
    ]
    means = np.stack([sights.embed(seeing_model, frames[2 * n : 2 * n + 2]) for n in range(3)])
    scores = seeing_model.encode_text(sorted(CONCEPTS), "en") @ means[np.argsort(CONCEPTS)].T
    assert found.ranks.tolist() == (1 + (scores > np.diag(scores)[:, None]).sum(1)).tolist()
    with pytest.raises(ValueError, match="6 pictures of 3 × 3"):
        retrieval.measure_pictures(seeing_model, asked, frames, silent, [], frames=3)


@pytest.mark.weights
def test_a_film_panned_over_a_stamp_finds_that_stamp_again():
    dev = splits.fetch(splits.PICTURES, "dev")
    concepts = {picture.concept: picture for picture in dev.clips}
    stamps = [images.load(concepts[name].path, images.GALLERY_LIMITS) for name in sorted(concepts)[::14]]
    model = checkpoint.load("cacara", "cpu")
    shown = np.stack([sights.embed(model, films.frames_of(stamp)) for stamp in stamps])
    assert len(stamps) == 5 and (shown @ model.encode_image(stamps).T).argmax(1).tolist() == [0, 1, 2, 3, 4]
