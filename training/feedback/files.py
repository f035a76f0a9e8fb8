"""The fine-tuned model's folder, and telling others how far the training is."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from cacara.errors import CheckpointError
from cacara.model import checkpoint, weights_file
from cacara.model.parts.heads import AnchoredHead
from cacara.model.seen_texts import SEEN, SeenTexts
from training.feedback.manifest import Manifest
from training.run_folder import METRICS

PREFIXES = {"sound": "head.", "picture": checkpoint.IMAGE_HEAD}


def write_model(
    base: Path,
    folder: Path,
    heads: Mapping[str, AnchoredHead],
    name: str,
    version: str,
    about: str,
    seen: SeenTexts | None,
) -> None:
    """Write a model folder that is another one with other heads; all else stays as it is, bit by bit.

    Args:
        base: The base model's folder.
        folder: Target; replaced if it is there.
        heads: ``sound`` and ``picture`` to the heads that were trained; stored in the precision of the base's.
        name: The new model's name.
        version: The version of its weights.
        about: What the card says of the training, Markdown; the base's card follows.
        seen: What of the benchmark it saw, or None when the base does not say.

    Raises:
        CheckpointError: It cannot be written.
    """
    config = dataclasses.replace(checkpoint.read_config(base), name=name, version=version)
    _, tensors = weights_file.read(base / checkpoint.WEIGHTS)
    for kind, head in heads.items():
        prefix = PREFIXES[kind]
        before = {key: tensors.pop(key) for key in list(tensors) if key.startswith(prefix)}
        for key, value in head.state_dict().items():
            kept = before.get(f"{prefix}{key}")
            plain = kept.dtype if kept is not None and kept.is_floating_point() else torch.float16
            tensors[f"{prefix}{key}"] = value.detach().to(plain).contiguous()
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(base, partial, copy_function=shutil.copyfile)
        save_file(tensors, partial / checkpoint.WEIGHTS, metadata={"format": "pt"})
        (partial / checkpoint.WEIGHTS).chmod(0o644)
        described = json.dumps(config.to_json(), indent=1, ensure_ascii=False) + "\n"
        (partial / checkpoint.CONFIG).write_text(described, encoding="utf-8")
        card = (base / checkpoint.CARD).read_text(encoding="utf-8")
        (partial / checkpoint.CARD).write_text(f"{about}\n---\n\n{card}", encoding="utf-8")
        if seen is not None:
            (partial / SEEN).write_text(json.dumps(seen.to_json(), indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    except OSError as error:
        raise CheckpointError(f"the model folder {folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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
    """Tells how far a training is, as JSON lines in a file; without a file it tells nobody."""

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
