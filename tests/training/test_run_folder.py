from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from cacara.galleries.manifest import Clip
from training import run_folder
from training.loop import LoopOptions
from training.run_folder import RunError

CLIP = Clip("dog", Path("/somewhere/dog.wav"), "0" * 64, {"en": ("a dog",)}, "dog", "-", "-")


def record(clips=(CLIP,), benchmark: str = "abc", **loop) -> dict:
    return run_folder.describe({"packages": ("a", "b"), "loop": vars(LoopOptions(**loop))}, benchmark, clips)


def begin(output: Path, **values) -> None:
    run_folder.claim(output, record(**values))
    (output / run_folder.METRICS).write_text("{}\n", encoding="utf-8")


def test_the_folder_holds_every_value_also_defaults_and_what_else_decides_the_result(tmp_path):
    run_folder.claim(tmp_path / "run", record(steps=3))
    stored = json.loads((tmp_path / "run" / "options.json").read_text(encoding="utf-8"))
    assert stored == record(steps=3)
    assert stored["options"]["loop"] == {**vars(LoopOptions()), "steps": 3}
    assert stored["benchmark"] == "abc"
    assert stored["clips"]["count"] == 1
    assert {"torch", "transformers"} <= set(stored["versions"])
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["options.json"]


def test_the_same_run_may_go_on(tmp_path):
    begin(tmp_path)
    run_folder.claim(tmp_path, record())


def test_where_a_clip_lies_does_not_matter(tmp_path):
    begin(tmp_path)
    run_folder.claim(tmp_path, record(clips=(dataclasses.replace(CLIP, path=Path("/elsewhere/dog.wav")),)))


@pytest.mark.parametrize(
    ("values", "difference"),
    [
        ({"steps": 3}, "options.loop.steps was 400, is 3;"),
        ({"precision": "bf16"}, 'options.loop.precision was "no", is "bf16";'),
        ({"benchmark": "xyz"}, 'benchmark was "abc", is "xyz";'),
        ({"clips": (CLIP, CLIP)}, "clips.count was 1, is 2;"),
        ({"clips": (dataclasses.replace(CLIP, captions={"en": ("a hound",)}),)}, "clips.hash was"),
    ],
)
def test_another_run_is_refused_with_what_differs(tmp_path, values, difference):
    begin(tmp_path)
    before = (tmp_path / "options.json").read_bytes()
    with pytest.raises(RunError) as caught:
        run_folder.claim(tmp_path, record(**values))
    assert difference in str(caught.value) and str(tmp_path) in str(caught.value)
    assert (tmp_path / "options.json").read_bytes() == before


def test_other_versions_of_what_computes_are_refused(tmp_path, monkeypatch):
    begin(tmp_path)
    monkeypatch.setattr(run_folder, "version", lambda package: "0.1")
    with pytest.raises(RunError, match=r'versions\.accelerate was .* is "0\.1"'):
        run_folder.claim(tmp_path, record())


def test_of_many_differences_the_first_are_named(tmp_path):
    begin(tmp_path)
    (tmp_path / "options.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match="benchmark was null.*"):
        run_folder.claim(tmp_path, record())
    (tmp_path / "options.json").write_text(json.dumps({**record(), **dict.fromkeys("abcdefg", 1)}), encoding="utf-8")
    with pytest.raises(RunError, match="a was 1, is null; .*e was 1, is null and 2 more"):
        run_folder.claim(tmp_path, record())


def test_before_the_first_step_options_may_still_change(tmp_path):
    run_folder.claim(tmp_path, record())
    run_folder.claim(tmp_path, record(steps=3))
    assert json.loads((tmp_path / "options.json").read_text(encoding="utf-8")) == record(steps=3)


@pytest.mark.parametrize("content", [None, "{half"])
def test_a_begun_run_without_readable_options_is_refused(tmp_path, content):
    (tmp_path / "step-000004").mkdir()
    if content:
        (tmp_path / "options.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=r"options\.json cannot be read"):
        run_folder.claim(tmp_path, record())


def test_a_run_that_goes_on_does_not_know_how_long_it_took(tmp_path):
    watch = run_folder.Watch(tmp_path)
    (tmp_path / run_folder.METRICS).write_text("{}\n", encoding="utf-8")
    assert watch.minutes() == 0.0  # it began here
    assert run_folder.Watch(tmp_path).minutes() is None
