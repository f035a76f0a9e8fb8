"""uCLIP's two heads: a multilingual text space and a dual encoder's space to one that they share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from cacara.model.config import ProjectorsConfig


class ProjectorHead(nn.Module):
    """One of the heads: linear to twice the width, batch normalisation, ReLU, linear to the shared width."""

    def __init__(self, width: int, shared: int) -> None:
        """Draw random weights.

        Args:
            width: Of what comes in.
            shared: Of the shared space.
        """
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, 2 * width), nn.BatchNorm1d(2 * width), nn.ReLU(), nn.Linear(2 * width, shared)
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return float32 [items, shared], L2-normalised, of float32 [items, width]."""
        return functional.normalize(self.layers(embeddings).float(), dim=-1)


class Projectors(nn.Module):
    """Both heads; all that uCLIP trains.

    After "uCLIP: Parameter-Efficient Multilingual Extension of Vision-Language Models with Unpaired Data" (arXiv
    2511.13036): ``text`` takes a frozen multilingual text encoder's embeddings, ``dual`` those of a frozen dual
    encoder, whichever side of it they are from. With 384 and 512 to 512 these are the paper's 1,743,104 parameters.
    """

    def __init__(self, config: ProjectorsConfig, shared: int) -> None:
        """Draw random weights.

        Args:
            config: The widths of the two encoders.
            shared: Width of the shared space.
        """
        super().__init__()
        self.text = ProjectorHead(config.text_width, shared)
        self.dual = ProjectorHead(config.dual_width, shared)
