"""Identity of a run's folder, so that no run goes on in the folder of another."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cacara.errors import CacaraError
from cacara.galleries.manifest import Clip
from cacara_files import atomic

OPTIONS = "options.json"
METRICS = "metrics.jsonl"
STATES = "step-*"
PACKAGES = ("torch", "torchaudio", "transformers", "accelerate")
SHOWN = 5
DEADLINE = "CACARA_DEADLINE"
"""Environment variable: when a training saves its state and stops, in seconds since 1970. No option of a training: it
changes nothing of the model."""


class RunError(CacaraError):
    """A run's options are no good, its folder belongs to another run, or it cannot go on."""


def describe(options: Mapping[str, Any], benchmark_hash: str, clips: Sequence[Clip]) -> dict[str, Any]:
    """Return all that decides what a run learns, JSON-ready.

    Args:
        options: All values, also the defaults.
        benchmark_hash: Of the benchmark that is kept out.
        clips: Training data.
    """
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(json.dumps([clip.clip_id, clip.sha256, clip.concept, sorted(clip.captions.items())]).encode())
    record = {
        "options": options,
        "benchmark": benchmark_hash,
        "clips": {"count": len(clips), "hash": digest.hexdigest()[:12]},
        "versions": {package: version(package) for package in PACKAGES},
    }
    return json.loads(json.dumps(record))  # as it is read again: tuples are lists


def claim(output: Path, record: Mapping[str, Any]) -> None:
    """Write ``record`` into a run's folder, unless another run has begun there.

    Args:
        output: The run's folder; made if missing.
        record: As ``describe`` returns it.

    Raises:
        RunError: A run with another record has begun there; the message says what differs.
    """
    path = output / OPTIONS
    begun = (output / METRICS).exists() or any(output.glob(STATES))
    if begun and (differences := list(_differences(_read(path), record))):
        more = f" and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        raise RunError(
            f"{output} holds another run: {'; '.join(differences[:SHOWN])}{more}; "
            "go on with what that run had, name another folder, or delete this one"
        )
    output.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


class Watch:
    """Clock of a run; made at its beginning."""

    def __init__(self, output: Path) -> None:
        """Start.

        Args:
            output: The run's folder, before anything is written there.
        """
        self._begun = time.monotonic()
        self._goes_on = (output / METRICS).exists() or any(output.glob(STATES))

    def minutes(self) -> float | None:
        """Return the minutes since the beginning; None of a run that goes on where another process stopped."""
        return None if self._goes_on else round((time.monotonic() - self._begun) / 60, 1)


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            f"a run has begun in {path.parent}, but its {path.name} cannot be read ({error}); "
            "name another folder, or delete this one"
        ) from error


def _differences(then: Any, now: Any, name: str = "") -> Iterator[str]:  # noqa: ANN401
    """Yield each value that two JSON values disagree in, with its dotted name."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in sorted({*then, *now}):
            yield from _differences(then.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif then != now:
        yield f"{name} was {json.dumps(then):.80}, is {json.dumps(now):.80}"
