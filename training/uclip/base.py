"""A base out of CLIP: its own image side beside a text side that a model folder already uses."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from cacara.encoders import image
from cacara.model import checkpoint
from cacara.model.config import ImageConfig
from cacara.model.parts.head import ImageHead
from training.run_folder import RunError


def add_own_pictures(base: str | Path, folder: Path) -> Path:
    """Write a model whose text tower is CLIP's with CLIP's own image side, as it is; return ``folder``.

    Sounds come to such a base by ``python -m training emergent_alignment`` with CLIP's folder as ``text.backbone``.
    That model's texts are centred, as all of this project's are, which CLIP's authors did not do.

    Args:
        base: The model's name or folder.
        folder: Folder that the model with pictures is written to.

    Raises:
        CheckpointError: There is no such model, or its text tower's folder is no CLIP.
        RunError: The image side is of another width.
    """
    place = checkpoint.find(base)
    config = checkpoint.read_config(place)
    tower = image.load(config.text.backbone)
    if tower.features != config.media_width:
        raise RunError(f"the pictures of {config.text.backbone} are {tower.features} wide; wanted {config.media_width}")
    part = ImageConfig(config.text.backbone, 0, 1.0, 0.0, 1, 1.0)
    head = ImageHead(part, tower.features, tower.classes, config.media_width)
    projection = head.projection
    assert isinstance(projection, torch.nn.Linear)
    torch.nn.init.eye_(projection.weight)
    torch.nn.init.zeros_(projection.bias)
    card = (place / checkpoint.CARD).read_text(encoding="utf-8").rstrip("\n")
    note = f"\n\n## Pictures\n\nThe image side of {config.text.backbone}, as it is: nothing was trained for it.\n"
    checkpoint.save(folder, dataclasses.replace(config, image=part), [head], card + note, base=place)
    return folder
