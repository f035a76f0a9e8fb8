"""The card of a fine-tuned model, and the progress file of a training."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.feedback.manifest import Manifest
from training.run_folder import METRICS


def about(manifest: Manifest, base: str, kinds: Mapping[str, int]) -> str:
    """Return what the card says of the training, Markdown.

    Args:
        manifest: What was trained on.
        base: Name and version of the base model.
        kinds: Kind of clip → judged pairs trained on.
    """
    trained = ", ".join(f"{count} pairs with {kind}s" for kind, count in kinds.items())
    return (
        f"# {base}, fine-tuned on feedback\n\n"
        f"Its heads were fine-tuned on the judgements in manifest {manifest.hash} of {manifest.date} ({trained}), with "
        f"a pull towards {base}. Texts and towers are those of the base model, bit by bit; its card follows.\n"
    )


class Progress:
    """Writes a training's progress as JSON lines to a file; without a file it does nothing."""

    def __init__(self, path: Path | None) -> None:
        """Name the file; lines are appended, so that a run that goes on goes on there."""
        self._path = path
        self._told = 0.0
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def tell(self, stage: str, fraction: float, message: str = "", **more: Any) -> None:  # noqa: ANN401
        """Append a line: ``stage``, ``fraction`` (0 to 1 of the stage), ``message`` and what else there is."""
        if self._path is None:
            return
        line = {"stage": stage, "fraction": round(fraction, 4), "message": message, **more}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def step(self, output: Path, kind: str, step: int, steps: int) -> None:
        """Tell of a training step with the losses of the one before, at most four times a second."""
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
