"""Progress of a training as JSON lines, for a program that waits for it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from training.run_folder import METRICS, RunError


class ProgressFile:
    """Writes a training's progress as JSON lines to a file; without a file it does nothing."""

    def __init__(self, path: Path | None, anew: bool = False) -> None:
        """Name the file.

        Args:
            path: The file; its folder is made. None for none.
            anew: Empty the file first; otherwise lines are appended, so that a run that goes on goes on there.

        Raises:
            RunError: It cannot be written.
        """
        self._path = path
        self._told = 0.0
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.open("w" if anew else "a", encoding="utf-8").close()
            except OSError as error:
                raise RunError(f"{path} cannot be written: {error.strerror or error}") from error

    def tell(self, stage: str, fraction: float, message: str = "", **more: Any) -> None:  # noqa: ANN401
        """Append a line: ``stage``, ``fraction`` (0 to 1 of the stage), ``message`` and what else there is."""
        if self._path is None:
            return
        line = {"stage": stage, "fraction": round(fraction, 4), "message": message, **more}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def step(self, output: Path, kind: str, step: int, steps: int) -> None:
        """Append a line for a training step with the losses of the one before, at most four times a second."""
        if self._path is None or (time.monotonic() - self._told < 0.25 and step + 1 < steps):
            return
        self._told = time.monotonic()
        losses = last_losses(output / METRICS)
        self.tell("train", step / steps, f"{kind}: step {step} of {steps}", kind=kind, steps=steps, **losses)


def last_losses(metrics: Path) -> dict[str, float]:
    """Return the newest row of a run's metrics: ``step`` and the losses by name; empty before the first."""
    try:
        with metrics.open("rb") as file:
            file.seek(max(0, metrics.stat().st_size - 4096))
            lines = file.read().decode("utf-8").splitlines()
        return json.loads(lines[-1]) if lines else {}
    except (OSError, ValueError):
        return {}
