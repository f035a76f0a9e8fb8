"""Interface of networks behind an audio tower: cut a clip, run the pieces, name its parts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn


class AudioNetwork(nn.Module):
    """A network from pieces of a clip, here called patches, to features and class logits.

    Attributes:
        patches_at_once: Number of patches that go through together when a long clip is embedded; bounds the memory.
        class_names: Names of the classes in the order of the logits; empty when there are none, or when whoever
            keeps the weights keeps the names elsewhere.
        lora_layers: Last parts of the names of the layers that a low-rank update is worth attaching to.
    """

    patches_at_once: int = 64
    class_names: Sequence[str] = ()
    lora_layers: Sequence[str] = ()

    @property
    @abstractmethod
    def features(self) -> int:
        """Width of a patch's feature vector."""

    @property
    @abstractmethod
    def classes(self) -> int:
        """Number of classes; 0 for a network that knows none."""

    @abstractmethod
    def patches(self, waveform: Tensor) -> Tensor:
        """Cut one waveform, float32 [samples], mono at 16 kHz in [-1, 1], into patches [patches, ...]."""

    @abstractmethod
    def stages(self) -> list[list[nn.Module]]:
        """Return the network from its input to its features as stages of modules; the classifier is in none."""

    def split(self, stage: int) -> int:
        """Return how many of the first ``stage`` stages ``lower`` can run ahead of the others."""
        return 0

    def lower(self, patches: Tensor, stages: int) -> Tensor:
        """Run the first ``stages`` stages alone; what comes out goes on in ``forward``.

        Raises:
            ValueError: The network cannot be split there.
        """
        if stages:
            raise ValueError(f"a {type(self).__name__} cannot be split behind {stages} stages; wanted 0")
        return patches

    @abstractmethod
    def forward(self, patches: Tensor, begin: int = 0) -> tuple[Tensor, Tensor]:
        """Return features [N, features] and class logits [N, classes] of patches, or of what ``lower`` made of them.

        Args:
            patches: [N, ...].
            begin: How many stages have been run already.
        """

    def train(self, mode: bool = True) -> AudioNetwork:
        """Keep batch norms on their running statistics: fine-tuning batches are too small for own ones."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self
