"""Pictures to the text space: the image tower and its head as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from cacara.encoders.image import ImageTower
from cacara.model.parts.heads import ImageHead


class ImageEncoder(nn.Module):
    """A frozen image tower and the head that was trained beside it on English descriptions."""

    def __init__(self, tower: ImageTower, head: ImageHead) -> None:
        super().__init__()
        self.tower = tower
        self.head = head

    def forward(self, images: Sequence[np.ndarray]) -> Tensor:
        """Return float32 [images, dimension], L2-normalised, of uint8 [height, width, 3] pictures."""
        return self.head(*self.tower(images))
