"""Class profiles: coordinates beside the text space for the classes that a sound holds or a text names.

The class anchor of ``cacara.model.parts.head.AnchoredHead`` averages the embeddings of what a classifier hears, as
ConSE does (Norouzi et al. 2014, arXiv 1312.5650); all animals lie close together there. Asking how probable the very
classes are that a text names, as direct attribute prediction does (Lampert et al. 2014), tells them apart. Both scores
are dot products, so both go into one embedding: its part in the text space, and the profile.

* of a text: ``g = softmax(t · e_c / τ)`` over the class names' embeddings ``e_c``, whatever the text's language is;
* of a sound: ``l = (log(p_c + ε) − μ_c) / √σ_c``, with mean and deviation over the training sounds, whose labels play
  no part.

Both are taken to the directions in which training sounds differ most, and to unit length. Only classes of the audio
tower have a profile: a picture's is zero.

Where ``centred`` is set, what training sounds have in common is taken from a sound's part in the text space as well:
``s' = normalise(s − s̄)``. Else texts that lie near ``s̄`` are named for every sound, whatever it is.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cacara.model.config import ProfileConfig
from cacara.model.parts.part import Part, TextBatch
from cacara.sources.clients import Report, silent

if TYPE_CHECKING:
    from cacara.model.config import ModelConfig
    from cacara.model.towers import Towers

UNPROFILED = ("anchor", "projection", "unprofiled")
"""Variants whose sounds have no profile."""


class ClassProfile(Part):
    """The profile's coordinates, put beside embeddings of texts, sounds and pictures."""

    field, prefix, title = "profile", "profile.", "class profiles"
    variants = ("unprofiled",)
    halves = True
    leaves_text_space = True

    class_embeddings: Tensor
    log_mean: Tensor
    log_scale: Tensor
    basis: Tensor
    sound_mean: Tensor

    def __init__(self, config: ProfileConfig, classes: int, width: int) -> None:
        """Make it empty; ``fit`` or a checkpoint fills it.

        Args:
            config: Its size and share.
            classes: Number of classes that the audio tower knows.
            width: Of the text space.
        """
        super().__init__()
        self.config = config
        self._of_texts_alone = False
        self.register_buffer("class_embeddings", torch.zeros(classes, width))
        self.register_buffer("log_mean", torch.zeros(classes))
        self.register_buffer("log_scale", torch.ones(classes))
        self.register_buffer("basis", torch.zeros(classes, config.size))
        if config.centred:
            self.register_buffer("sound_mean", torch.zeros(width))

    def fit(self, class_embeddings: Tensor, probabilities: Tensor) -> None:
        """Take the class names, and the statistics of sounds, as they are.

        Args:
            class_embeddings: float32 [classes, width], L2-normalised.
            probabilities: float32 [sounds, classes], each in [0, 1], of at least ``config.size`` sounds.
        """
        self.class_embeddings.copy_(class_embeddings)
        logs = (probabilities.double() + self.config.floor).log()
        self.log_mean.copy_(logs.mean(0))
        self.log_scale.copy_(logs.std(0, correction=0).clamp(min=1e-3).sqrt())
        scaled = (logs - logs.mean(0)) / self.log_scale.double()
        # The sign of a direction is arbitrary; it falls out of every product.
        self.basis.copy_(torch.linalg.eigh(scaled.T @ scaled)[1].flip(1)[:, : self.config.size])

    def fit_centre(self, embeddings: Tensor) -> None:
        """Take the mean of the training sounds' embeddings, which ``config.centred`` subtracts from every sound.

        Args:
            embeddings: float32 [sounds, width], L2-normalised, as the trained head gives them.
        """
        self.sound_mean.copy_(embeddings.mean(0))

    @classmethod
    def build(cls, config: ModelConfig, towers: Towers, report: Report = silent) -> Self:
        """Return empty profiles of the audio tower's classes, see ``Part.build``."""
        assert config.profile is not None
        return cls(config.profile, towers.audio.classes, config.text_width)

    def texts(self, batch: TextBatch) -> TextBatch:
        """Return texts with their profiles, their embeddings [texts, width + size], L2-normalised."""
        named = (batch.embeddings @ self.class_embeddings.T / self.config.temperature).softmax(-1)
        return dataclasses.replace(batch, embeddings=self._beside(batch.embeddings, named @ self.basis))

    def text_space(self, texts: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return texts without their profiles, which tell sounds apart and blur what texts say beyond classes."""
        bare = texts[:, : self.class_embeddings.shape[1]]
        return bare / np.linalg.norm(bare, axis=1, keepdims=True)

    def sounds(self, embeddings: Tensor, probabilities: Tensor) -> Tensor:
        """Return sounds with their profiles, float32 [sounds, width + size], L2-normalised.

        Args:
            embeddings: float32 [sounds, width], L2-normalised.
            probabilities: float32 [sounds, classes], each in [0, 1].
        """
        if self._of_texts_alone:
            return self.images(embeddings)
        if self.config.centred:
            embeddings = functional.normalize(embeddings - self.sound_mean, dim=-1)
        logs = ((probabilities.float() + self.config.floor).log() - self.log_mean) / self.log_scale
        return self._beside(embeddings, logs @ self.basis)

    def classes(self, sounds: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how far above the usual each class is heard in sounds, as far as their profiles keep it.

        The class that YAMNet finds most probable is among the first three of 85 % of dev-2's sounds.

        Args:
            sounds: float32 [sounds, width + size], what ``sounds`` returned.

        Returns:
            float32 [sounds, classes], comparable within a sound; zeros in variants whose sounds have no profile.
        """
        profiles = sounds[:, self.class_embeddings.shape[1] :]
        return profiles @ self.basis.cpu().numpy().T * self.log_scale.cpu().numpy()

    def images(self, embeddings: Tensor) -> Tensor:
        """Return pictures, which have no profile, as wide as what has one: [pictures, width + size]."""
        return functional.pad(embeddings, (0, self.config.size))

    def variant(self, name: str) -> ClassProfile:
        """Return these profiles, with none for sounds in the variants that show what profiles bring."""
        if name not in UNPROFILED:
            return self
        made = copy.copy(self)
        made._of_texts_alone = True
        return made

    def card(self) -> str:
        """Return what of it lies in the model's folder."""
        return (
            f"class profiles of {self.config.size} coordinates, {self.config.share:.0%} of a score"
            f"{', and the mean of sounds' if self.config.centred else ''} (from the sounds below without their labels)"
        )

    def _beside(self, embeddings: Tensor, profiles: Tensor) -> Tensor:
        share = self.config.share
        profiles = functional.normalize(profiles, dim=-1)
        return torch.cat([(1 - share) ** 0.5 * embeddings, share**0.5 * profiles], dim=-1)
