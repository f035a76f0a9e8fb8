"""A model of ours as an encoder of mteb: texts in the task's language, sounds decoded by our own decoder."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import langcodes
import numpy as np
from datasets import Audio, Dataset
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta, ScoringFunction

from cacara.errors import CacaraError
from cacara.media import audio, decoding
from cacara.model.model import Cacara

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.types import PromptType
    from torch.utils.data import DataLoader

NO_LANGUAGE = "zxx"
COLLECTIVE = {"son": "ses"}
"""Codes of groups of languages, which mteb does not know, and the member that sounds-v1's texts are in."""
SOUNDS_AT_ONCE = 16


class CacaraEncoder(AbsEncoder):
    """Embeds what mteb's tasks give: texts, sounds, or both, whose embeddings are added.

    A sound is embedded once, however many subsets of a task ask for it. It is decoded by ``cacara.media``, as in the
    app, so neither torchcodec nor a resampler of another library takes part.
    """

    def __init__(self, model: Cacara) -> None:
        """Wrap a model.

        Args:
            model: The model.
        """
        self.model = model
        self.mteb_model_meta = describe(model)
        self._heard: dict[str, np.ndarray] = {}

    def encode(
        self,
        inputs: DataLoader[Any],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        **kwargs: object,
    ) -> np.ndarray:
        """Return float32 ``[items, dimension]``, L2-normalised; a blank text gives zeros.

        Args:
            inputs: Its ``dataset`` has a column ``text``, ``audio``, or both.
            task_metadata: Says in which language the texts are.
            hf_split: Not used.
            hf_subset: Of a task with several languages: the one that is asked for.
            prompt_type: Not used: queries and documents are embedded alike.
            kwargs: Batch size and progress bar of mteb, not used.

        Raises:
            CacaraError: There is neither text nor sound, or a sound cannot be read.
        """
        dataset: Dataset = inputs.dataset  # type: ignore[assignment]
        parts = []
        if "text" in dataset.features:
            parts.append(self._texts(list(dataset["text"]), language_of(task_metadata, hf_subset)))
        if "audio" in dataset.features:
            parts.append(self._sounds(dataset))
        if not parts:
            raise CacaraError(f"{task_metadata.name} gives {sorted(dataset.features)}; wanted text or audio")
        if len(parts) == 1:
            return parts[0]
        together = parts[0] + parts[1]
        return together / np.linalg.norm(together, axis=1, keepdims=True).clip(min=1e-12)

    def _texts(self, texts: Sequence[str], language: str | None) -> np.ndarray:
        embeddings = np.zeros((len(texts), self.model.dimension), np.float32)
        if said := [position for position, text in enumerate(texts) if text.strip()]:
            embeddings[said] = self.model.encode_text([texts[position] for position in said], language)
        return embeddings

    def _sounds(self, dataset: Dataset) -> np.ndarray:
        if not isinstance(dataset.features["audio"], Audio):
            raise CacaraError(f"the column audio is {dataset.features['audio']}; wanted datasets.Audio")
        files = dataset.select_columns(["audio"]).cast_column("audio", Audio(decode=False))
        keys = []
        pending: dict[str, np.ndarray] = {}
        for row in files:
            sound = row["audio"]
            key = hashlib.sha256(sound["bytes"]).hexdigest() if sound["bytes"] else str(sound["path"])
            keys.append(key)
            if key not in self._heard and key not in pending:
                pending[key] = _waveform(sound)
            if len(pending) == SOUNDS_AT_ONCE:
                self._hear(pending)
        self._hear(pending)
        return np.stack([self._heard[key] for key in keys])

    def _hear(self, pending: dict[str, np.ndarray]) -> None:
        """Embed waveforms and forget them."""
        if pending:
            self._heard.update(zip(pending, self.model.encode_audio(list(pending.values())), strict=True))
            pending.clear()


def language_of(task: TaskMetadata, subset: str) -> str | None:
    """Return the BCP-47 code of a task's texts, or None where it mixes languages: each text's is detected then.

    A task of sounds that names no language ("zxx") has English class names and captions.
    """
    codes = task.eval_langs[subset] if isinstance(task.eval_langs, dict) else task.eval_langs
    known = {code for code in codes if not code.startswith(NO_LANGUAGE)}
    if not known:
        return "en"
    if len(known) > 1:
        return None
    code = langcodes.Language.get(known.pop())
    named = langcodes.standardize_tag(subset.replace("_", "-")) if langcodes.tag_is_valid(subset) else ""
    if named and (langcodes.Language.get(named).to_alpha3() == code.to_alpha3() or named in COLLECTIVE):
        return named  # "pt-BR" says more than "por-Latn"
    return str(code.simplify_script())  # "swa-Latn" is "sw", as Latin is its usual script


def describe(model: Cacara) -> ModelMeta:
    """Return what mteb wants to know of a model; the revision changes with any of its weights."""
    parameters = sum(parameter.numel() for tower in (model.text, model.audio) for parameter in tower.parameters())
    return ModelMeta(
        loader=None,
        name=f"cacara/{model.name}",
        revision=f"{model.version}-{model.fingerprint[:12]}",
        release_date=None,
        languages=None,
        n_parameters=parameters,
        memory_usage_mb=None,
        max_tokens=None,
        embed_dim=model.dimension,
        license=None,
        open_weights=True,
        public_training_code=None,
        public_training_data=None,
        framework=["PyTorch"],
        similarity_fn_name=ScoringFunction.COSINE,
        use_instructions=False,
        training_datasets=None,
        modalities=["text", "audio"],
    )


def _waveform(sound: dict[str, Any]) -> np.ndarray:
    """Return the waveform of an undecoded sound of ``datasets``: its bytes, or the path of its file."""
    if not sound["bytes"]:
        return audio.load(Path(sound["path"]), audio.GALLERY_LIMITS).waveform
    with tempfile.TemporaryFile(buffering=0) as file:  # the decoder wants a file of the system
        file.write(sound["bytes"])
        file.seek(0)
        return decoding.decode(file, audio.GALLERY_LIMITS).waveform
