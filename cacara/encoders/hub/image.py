"""Image towers that ``transformers`` loads from a folder or the hub: CLIP's vision side with its projection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from cacara.encoders.hub.weights import read_strictly
from cacara.encoders.image import SIDE, ImageTower, fit
from cacara.errors import CheckpointError

MODEL_TYPES = ("clip", "clip_vision_model")


class ClipImageTower(ImageTower):
    """CLIP's vision transformer (Radford et al. 2021, arXiv 2103.00020), read behind its projection; it has no classes.

    A picture is fitted whole into a square, as every image tower here does it; CLIP itself cuts out the middle.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], deviation: Sequence[float]) -> None:
        """Put the parts together.

        Args:
            network: A ``CLIPVisionModelWithProjection``.
            mean: Of red, green and blue, of values in [0, 1].
            deviation: Their standard deviations.
        """
        super().__init__(network, int(network.config.projection_dim), 0)  # type: ignore[union-attr, arg-type]
        self.side = int(network.config.image_size)  # type: ignore[union-attr, arg-type]
        self.register_buffer("mean", torch.tensor(list(mean))[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(list(deviation))[:, None, None], persistent=False)

    def forward(self, images: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Encode pictures of any sizes, uint8 [height, width, 3] each, RGB.

        Returns:
            Features float32 [images, features], and class probabilities float32 [images, 0].

        Raises:
            ImageError: Something is not uint8 [height, width, 3], or has no pixels.
        """
        if not len(images):
            return torch.zeros(0, self.features), torch.zeros(0, 0)
        pixels = torch.from_numpy(np.stack([self._square(image) for image in images])).to(self.mean.device)
        scaled = (pixels.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.deviation
        features = self.network(pixel_values=scaled).image_embeds.float()
        return features, features.new_zeros(len(features), 0)

    def _square(self, image: np.ndarray) -> np.ndarray:
        fitted = fit(image)
        if self.side == SIDE:
            return fitted
        return np.asarray(Image.fromarray(fitted).resize((self.side, self.side), Image.Resampling.BICUBIC))


def load(place: str) -> ClipImageTower:
    """Return the tower that a folder or a hub repository holds.

    Raises:
        CheckpointError: It cannot be loaded, lacks weights, or is no CLIP.
    """
    from transformers import AutoConfig, CLIPVisionModelWithProjection
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        config: Any = AutoConfig.from_pretrained(place)
        if config.model_type not in MODEL_TYPES:
            raise CheckpointError(f"it holds a {config.model_type!r}; wanted one of {', '.join(MODEL_TYPES)}")
        # The processor itself would want torchvision; the numbers in its file are all that is needed.
        described, _ = ImageProcessingMixin.get_image_processor_dict(place)
        network = read_strictly(CLIPVisionModelWithProjection, place)
        return ClipImageTower(network, described["image_mean"], described["image_std"])
    except (OSError, ValueError, RuntimeError, KeyError, CheckpointError) as error:
        raise CheckpointError(f"image backbone {place!r} cannot be loaded: {error}") from error
