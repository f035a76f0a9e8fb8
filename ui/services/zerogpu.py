"""Encoders on ZeroGPU: a Space is lent a GPU for the time of one call, in a process that is forked for it.

What lies on ``cuda`` before the page is up goes along into each such process, so the model is loaded here at once.
Arguments and results of a call are plain arrays, and all that lies behind the encoders stays on the CPU. So does an
encoder when no visitor asks, as when the gallery is embedded: nobody's quota would pay. When a quota has ended, or a
call has failed, the CPU computes the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

# Before torch and gradio: on ZeroGPU it stands in for CUDA, elsewhere its decorator does nothing.
import spaces  # isort: skip
import gradio as gr
import httpx
import numpy as np
import torch
from gradio.context import LocalContext
from numpy.typing import NDArray
from torch import Tensor

from cacara import devices
from cacara.model import checkpoint
from cacara.model.config import DEFAULT_MODEL
from cacara.model.model import Cacara
from cacara.model.towers import Towers
from cacara.sources.clients import Report

TEXT_SECONDS, SOUND_SECONDS, IMAGE_SECONDS = 5, 10, 5
"""Longest duration of a call; who asks for little waits less, and needs as much of their quota left."""
PAUSE_SECONDS = 60.0
"""Time on the CPU after a call has failed, so that not every search waits for a refusal."""

Pair = tuple[NDArray[np.float32], NDArray[np.float32]]
Result = TypeVar("Result")
logger = logging.getLogger(__name__)


class LentEncoders:
    """A model's towers on a GPU that is there during a call alone."""

    def __init__(self, towers: Towers, device: torch.device) -> None:
        """Place the towers.

        Args:
            towers: Of no other use: they can compute nothing outside a call.
            device: ``cuda`` on ZeroGPU.
        """
        if towers.image is not None:
            towers.image.state_dict()  # a tower that is read with the first picture is read now
        self._towers = Towers(
            towers.text.to(device), towers.audio.to(device), None if towers.image is None else towers.image.to(device)
        )
        self._device = device
        self._pause_until = 0.0
        self._read = spaces.GPU(duration=TEXT_SECONDS)(self._read_there)
        self._hear = spaces.GPU(duration=SOUND_SECONDS)(self._hear_there)
        self._see = spaces.GPU(duration=IMAGE_SECONDS)(self._see_there)

    def serve(self, model: Cacara) -> None:
        """Let a model of equal weights, which lies on the CPU, send what visitors ask to these encoders."""
        read, hear, see = model.text.read, model.audio.hear_patches, model.image and model.image.forward

        def read_text(input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            tokens = (input_ids.numpy(), attention_mask.numpy())
            return self._either(lambda: torch.from_numpy(self._read(*tokens)), lambda: read(input_ids, attention_mask))

        def hear_patches(waveforms: Sequence[NDArray[np.float32]]) -> list[tuple[Tensor, Tensor]]:
            return self._either(
                lambda: [_tensors(each) for each in self._hear(list(waveforms))], lambda: hear(waveforms)
            )

        # On the instances: the towers stay of their own classes, so that models go on sharing them.
        model.text.read = read_text  # type: ignore[method-assign]
        model.audio.hear_patches = hear_patches  # type: ignore[method-assign]
        if model.image is not None and see is not None:
            here = see
            model.image.forward = lambda images: self._either(  # type: ignore[method-assign]
                lambda: _tensors(self._see(list(images))), lambda: here(images)
            )

    def _read_there(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.inference_mode():
            placed = (torch.from_numpy(each).to(self._device) for each in (input_ids, attention_mask))
            return _array(self._towers.text(*placed))

    def _hear_there(self, waveforms: list[NDArray[np.float32]]) -> list[Pair]:
        with torch.inference_mode():
            heard = self._towers.audio.hear_patches(waveforms)
            return [(_array(features), _array(classes)) for features, classes in heard]

    def _see_there(self, images: list[NDArray[np.uint8]]) -> Pair:
        assert self._towers.image is not None
        with torch.inference_mode():
            features, classes = self._towers.image(images)
            return _array(features), _array(classes)

    def _either(self, there: Callable[[], Result], here: Callable[[], Result]) -> Result:
        """Return what a call computes on the lent GPU, or the CPU where there is none to be lent."""
        if LocalContext.request.get(None) is None or time.monotonic() < self._pause_until:
            return here()
        try:
            return there()
        except (gr.Error, RuntimeError, OSError, httpx.HTTPError) as error:
            logger.warning("no GPU: %s; the CPU computes for %d s", error, PAUSE_SECONDS)
            self._pause_until = time.monotonic() + PAUSE_SECONDS
            return here()


def loader(place: str | None) -> Callable[[str | Path, Report], Cacara]:
    """Load the model of a Space before its page is up, and return what loads the models that the app answers with.

    Args:
        place: A bundled model's name or a model folder; None for the default. Its encoders are lent a GPU, and with
            them those of every model that shares its towers.

    Raises:
        CacaraError: The model cannot be loaded.
    """
    found = checkpoint.find(place or DEFAULT_MODEL)
    resident = checkpoint.load(found, "cpu")
    lent = LentEncoders(resident.towers, devices.resolve("auto"))

    def load(chosen: str | Path, report: Report) -> Cacara:
        model = checkpoint.load(chosen, "cpu", report=report)
        if model.fingerprint == resident.fingerprint:
            lent.serve(model)
        return model

    return load


def _array(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.float().cpu().numpy()
    return array


def _tensors(pair: Pair) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(pair[0]), torch.from_numpy(pair[1])
