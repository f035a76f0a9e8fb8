"""Coverage-guided fuzzing of what reads strangers' bytes: ``python fuzz.py TARGET CORPUS [libFuzzer's flags]``.

A target may give a value or raise one of the errors that are meant for users. Any other exception ends the program
with 77 and leaves the bytes in a file ``crash-…``.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import atheris

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["cacara", "feedback_db", "ui"]):
    from cacara.errors import CacaraError
    from cacara.galleries.manifest import Clip
    from cacara.media import audio, decoding, images, video
    from cacara.words import word_lists
    from feedback_db import FeedbackError
    from feedback_db.exchange import parquet_rows
    from feedback_db.exchange.importing import read_file
    from feedback_db.exchange.table import from_row
    from ui.search.links import linked_query
    from ui.services.services import Services
    from ui.teach import pairs

FEW = 1 << 20
AUDIO = audio.AudioLimits(max_seconds=5, max_decode_seconds=5)
VIDEO = video.VideoLimits(max_seconds=20, max_pixels=1 << 18, max_decode_seconds=5)
PICTURE = images.ImageLimits(max_bytes=FEW, max_pixels=1 << 20)
UNREADY = Services(SimpleNamespace(languages=lambda: ("de", "sw"), retriever=lambda words, model: _unready()), None)


def main() -> None:
    """Fuzz a target until libFuzzer's own limits end it."""
    target, corpus, *flags = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        test = _guarded(TARGETS[target], Path(folder) / "input")
        atheris.Setup([sys.argv[0], corpus, *flags], test)
        atheris.Fuzz()


def _guarded(read: Callable[[bytes, Path], object], path: Path) -> Callable[[bytes], None]:
    def test(content: bytes) -> None:
        with contextlib.suppress(CacaraError, FeedbackError):
            read(content, path)

    return test


def _sound(content: bytes, path: Path) -> None:
    with _opened(content, path) as file:
        recording = decoding.decode(file, AUDIO)
    assert 0 < recording.waveform.size <= 5 * 16_000 + 1
    assert abs(recording.waveform).max() <= 1


def _film(content: bytes, path: Path) -> None:
    with _opened(content, path) as file:
        assert all(taken.ndim == 3 for taken in video.decode(file, VIDEO))


def _picture(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    assert images.load(path, PICTURE).shape[2] == 3


def _opened(content: bytes, path: Path) -> Any:  # noqa: ANN401 - a FileIO, of which the decoders ask little
    if not content:
        raise CacaraError("the caller refuses empty files")
    path.write_bytes(content)
    return path.open("rb", buffering=0)


def _table(ending: str) -> Callable[[bytes, Path], object]:
    def read(content: bytes, path: Path) -> None:
        named = path.with_suffix(ending)
        named.write_bytes(content)
        found = read_file(named)
        assert all(line >= 1 for line, _ in [*found.records, *found.problems])

    return read


def _parquet(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    for row in parquet_rows._rows(path, 1000, 10_000):
        with contextlib.suppress(FeedbackError):
            from_row(row)


def _words(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    found = word_lists.read_file(path)
    assert word_lists.read(word_lists.write(found.entries)).entries, "what is written is read again"


def _pairs(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    found = pairs.read_file(path)
    assert pairs.read(found.tsv()).pairs == found.pairs, "what is written is read again"


def _link(content: bytes, path: Path) -> None:
    found = linked_query(UNREADY, content.decode("utf-8", "replace"))
    assert found.language in ("auto", "de", "sw") and found.kind in ("", "sound", "picture")


def _clip(content: bytes, path: Path) -> None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict):
        Clip.from_json(value)


@atheris.instrument_func
def _planted(content: bytes, path: Path) -> None:
    if len(content) > 2 and content[0] == 82 and content[1] == 73 and content[2] == 70:
        raise ValueError("an error nobody had thought of")


def _unready() -> None:
    from cacara.errors import QueryError

    raise QueryError("not ready")


TARGETS: dict[str, Callable[[bytes, Path], object]] = {
    "sound": _sound,
    "film": _film,
    "picture": _picture,
    "jsonl": _table(".jsonl"),
    "csv": _table(".csv"),
    "parquet": _parquet,
    "words": _words,
    "pairs": _pairs,
    "link": _link,
    "clip": _clip,
    "planted": _planted,
}


if __name__ == "__main__":
    main()
