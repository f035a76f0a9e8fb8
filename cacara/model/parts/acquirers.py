"""Language acquirers: how a text tower that knows one language reads others, without changing by a bit.

After "Multi-Lingual Acquisition on Multimodal Pre-training" (MLA, arXiv 2206.11091), section 3. A text of another
language is cut by a multilingual tokenizer; its pieces' embeddings, of a multilingual encoder and frozen, go through
one linear layer into the tower's width, and from there through the tower's own frozen layers, with a small bottleneck
of that language's after each. Texts of a language without acquirers go through the tower as if nothing had been added.

A language's acquirers are one file, ``acquirers/CODE.safetensors`` in a model's folder: ``N.down`` [bottleneck, width]
and ``N.up`` [width, bottleneck] of each layer ``N``, half precision, and who they were made for in the metadata. What
is read is a safetensors file and nothing else: such a file holds numbers, never code.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional

from cacara.encoders import piece_tokenizer, text
from cacara.encoders.text import TextTower
from cacara.errors import CheckpointError
from cacara.model.config import AcquirerConfig
from cacara.model.parts import acquirer_files
from cacara.model.parts.acquirer_files import SUFFIX, AcquirerFile
from cacara.model.parts.part import Part
from cacara.sources.clients import Report, silent

if TYPE_CHECKING:
    from cacara.model.config import ModelConfig
    from cacara.model.towers import Towers

TEXTS_AT_ONCE = 64

W_E = "acquirers.weight"
"""The tensor that brings multilingual token embeddings into the text tower, of a model with acquirers."""
_STRUCTURES: Mapping[str, tuple[str, str]] = {
    "bert": ("embeddings.word_embeddings", "encoder.layer"),
    "roberta": ("embeddings.word_embeddings", "encoder.layer"),
    "xlm-roberta": ("embeddings.word_embeddings", "encoder.layer"),
    "clap_text_model": ("embeddings.word_embeddings", "encoder.layer"),
    "clip_text_model": ("embeddings.token_embedding", "encoder.layers"),
}
"""Paths of the token embedding and the layers in encoders of ``transformers``, by ``config.model_type``."""


class Acquirer(nn.Module):
    """``x + W_up ReLU(W_down x)``, without biases; the identity before training."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(bottleneck, width))
        self.up = nn.Parameter(torch.zeros(width, bottleneck))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return [..., width] of [..., width]."""
        return hidden + functional.linear(functional.relu(functional.linear(hidden, self.down)), self.up)


class AcquirerSet(nn.ModuleList):
    """One language's acquirers, one a layer."""

    def __init__(self, layers: int, width: int, bottleneck: int) -> None:
        super().__init__(Acquirer(width, bottleneck) for _ in range(layers))


class NonNativeEmbedding(nn.Module):
    """Pieces of a multilingual tokenizer to the tower's width: a frozen table, then the layer ``W_e``."""

    def __init__(self, table: Tensor, projection: nn.Linear) -> None:
        """Put the parts together.

        Args:
            table: [pieces, embedding's width], of any precision; never trained and never stored.
            projection: ``W_e``, without bias.
        """
        super().__init__()
        self.table = table  # a plain attribute: it belongs to the multilingual encoder, and no checkpoint holds it
        self.projection = projection

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return float32 [texts, tokens, width]."""
        return self.projection(functional.embedding(input_ids, self.table).to(self.projection.weight.dtype))


class AcquiredLayer(nn.Module):
    """A frozen layer with an acquirer after it."""

    def __init__(self, layer: nn.Module, acquirer: Acquirer) -> None:
        super().__init__()
        self.layer = layer
        self.acquirer = acquirer

    def forward(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401
        """Return what the layer returns, its hidden states through the acquirer."""
        result = self.layer(*given, **named)
        if isinstance(result, tuple):
            return (self.acquirer(result[0]), *result[1:])
        return self.acquirer(result)


def shape_of(tower: TextTower) -> tuple[int, int]:
    """Return a tower's number of layers and their width.

    Raises:
        CheckpointError: Its encoder is of a kind whose layers are not known here.
    """
    _, layers = _structure(tower)
    return len(tower.encoder.get_submodule(layers)), int(tower.encoder.config.hidden_size)  # type: ignore


def acquired_tower(tower: TextTower, embedding: NonNativeEmbedding, acquirers: AcquirerSet | None) -> TextTower:
    """Return a tower for another language that shares every parameter with ``tower``, which stays as it is.

    Args:
        tower: The frozen tower, on its device already.
        embedding: What stands in for its token embedding.
        acquirers: The language's; None leaves the layers bare.

    Raises:
        CheckpointError: The encoder's layers are not known here, or are not as many as the acquirers.
    """
    place, layers = _structure(tower)
    owned = [*tower.encoder.parameters(), *tower.encoder.buffers()]
    # A copy of the structure: what the memo holds, the weights, is taken as it is.
    encoder = copy.deepcopy(tower.encoder, {id(value): value for value in owned})
    parent, _, name = place.rpartition(".")
    setattr(encoder.get_submodule(parent), name, embedding)
    if acquirers is not None:
        stack = encoder.get_submodule(layers)
        assert isinstance(stack, nn.ModuleList)
        if len(stack) != len(acquirers):
            raise CheckpointError(f"{len(acquirers)} acquirers for {len(stack)} layers; wanted one a layer")
        for number, (layer, acquirer) in enumerate(zip(stack, acquirers, strict=True)):
            stack[number] = AcquiredLayer(layer, acquirer)  # type: ignore[arg-type]
    made = copy.copy(tower)
    made._modules = {**tower._modules, "encoder": encoder}
    return made


def _structure(tower: TextTower) -> tuple[str, str]:
    kind = tower.encoder.config.model_type  # type: ignore[union-attr]
    if kind not in _STRUCTURES:
        raise CheckpointError(f"a text encoder of kind {kind!r} takes no acquirers; wanted {', '.join(_STRUCTURES)}")
    return _STRUCTURES[str(kind)]


class Acquirers(Part):
    """The languages that a model reads by acquirers; languages can be added and taken away while it is used.

    A text of a language that has them goes through them, every other one, English ones and those of unknown languages
    among them, through the text tower alone. What they read lies where English does and is centred as English is.
    """

    field, prefix, title = "acquirers", "acquirers.", "language acquirers"
    folder = acquirer_files.FOLDER
    variants = ("native",)
    trained_for: ClassVar[str] = "texts"
    trained_tensors = ("weight",)
    fits = ("text_lora.",)

    tower: TextTower
    embedding: NonNativeEmbedding

    def __init__(
        self,
        tower: TextTower,
        config: AcquirerConfig,
        embedding: NonNativeEmbedding,
        tokenizer: Any,  # noqa: ANN401
    ) -> None:
        """Put the parts together; there are no languages yet.

        Args:
            tower: The frozen tower of the model, on its device already.
            config: Their configuration.
            embedding: The shared non-native embedding.
            tokenizer: Of the embedding's pieces.

        Raises:
            CheckpointError: The tower takes no acquirers, or counts positions by a padding id that is not the
                tokenizer's.
        """
        super().__init__()
        self.layers, self.width = shape_of(tower)
        object.__setattr__(self, "tower", tower)  # the model's own: no module of this one
        self.config = config
        self.embedding = embedding
        self.tokenizer = tokenizer
        padding = getattr(getattr(tower.encoder, "embeddings", None), "padding_idx", None)
        if padding is not None and tokenizer.pad_token_id != padding:
            raise CheckpointError(f"the tokenizer pads with {tokenizer.pad_token_id}, the tower with {padding}")
        self._device = next(tower.parameters()).device
        embedding.to(self._device)
        embedding.table = embedding.table.to(self._device)
        self._lock = threading.Lock()
        self._towers: dict[str, TextTower] = {}
        self._sets: dict[str, AcquirerSet] = {}
        self._pairs: dict[str, int] = {}
        self._space = ""

    @classmethod
    def build(cls, config: ModelConfig, towers: Towers, report: Report = silent) -> Self:
        """Return the acquirers of no language yet, see ``Part.build``."""
        assert config.acquirers is not None
        return cls.prepare(towers.text, config.acquirers, report)

    @classmethod
    def prepare(cls, tower: TextTower, config: AcquirerConfig, report: Report = silent) -> Self:
        """Return a tower's acquirers before ``W_e`` is known and any language is read.

        Raises:
            CheckpointError: The tower takes no acquirers, or the embedding cannot be read.
            SourceError: The embedding's package cannot be fetched.
        """
        place = text.place_of(config.embedding, report)
        table = _table(place)
        projection = nn.Linear(table.shape[1], shape_of(tower)[1], bias=False).requires_grad_(False)
        return cls(tower, config, NonNativeEmbedding(table, projection), piece_tokenizer.of(place))

    def fill(self, tensors: Mapping[str, Tensor], folder: Path) -> None:
        """Take ``W_e`` and read the languages' files.

        Raises:
            LookupError: ``W_e`` is missing.
            CheckpointError: A file is no good, or is named after another language than it holds.
        """
        if set(tensors) != {"weight"}:
            raise LookupError(f"it holds {', '.join(sorted(tensors)) or 'nothing'} of acquirers; wanted {W_E}")
        weight, wanted = tensors["weight"], tuple(self.embedding.projection.weight.shape)
        if tuple(weight.shape) != wanted:
            raise CheckpointError(f"W_e is {tuple(weight.shape)}; wanted {wanted}")
        self.embedding.projection.weight.data = weight.float().to(self._device)
        self.forget_space()
        for path in sorted((folder / self.folder).glob("*")):
            if path.suffix != SUFFIX:
                raise CheckpointError(f"{path} is no {SUFFIX} file; wanted acquirers alone in that folder")
            content = acquirer_files.read(path)
            if content.language != path.stem:
                raise CheckpointError(
                    f"{path} holds acquirers of {content.language}; wanted {content.language}{SUFFIX}"
                )
            self.add(content)

    def stored(self) -> dict[str, Tensor]:
        """Return ``W_e``, [width, embedding's width], in full precision."""
        return {"weight": self.embedding.projection.weight.float()}

    def files(self) -> dict[str, bytes]:
        """Return one file a language."""
        contents = [AcquirerFile(code, self.space, self._pairs[code], self.tensors(code)) for code in self.languages]
        return {f"{self.folder}/{content.language}{SUFFIX}": acquirer_files.to_bytes(content) for content in contents}

    def variant(self, name: str) -> Acquirers | None:
        """Return them, or nothing in ``native``, where every text goes through the text tower."""
        return None if name == "native" else self

    @classmethod
    def count_trained(cls, config: ModelConfig, tensors: Mapping[str, Tensor], folder: Path) -> int:
        """Return the parameters of ``W_e`` and of all languages' files."""
        files = [acquirer_files.read(path) for path in sorted((folder / cls.folder).glob("*"))]
        of_languages = sum(value.numel() for content in files for value in content.tensors.values())
        return super().count_trained(config, tensors, folder) + of_languages

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages with acquirers, BCP-47, sorted."""
        return tuple(sorted(self._towers))

    @property
    def space(self) -> str:
        """12 hex digits of all that a language's acquirers were made for: tower, embedding and bottleneck."""
        if not self._space:
            digest = hashlib.sha256(json.dumps(dataclasses.asdict(self.config)).encode())
            parts = {**self.tower.state_dict(), "W_e": self.embedding.projection.weight}
            for name, value in sorted(parts.items()):
                digest.update(f"{name} {tuple(value.shape)}".encode())
                digest.update(value.detach().cpu().float().contiguous().reshape(-1).view(torch.uint8).numpy().data)
            self._space = digest.hexdigest()[:12]
        return self._space

    def forget_space(self) -> None:
        """Compute ``space`` anew when it is next asked for: ``W_e`` was trained since."""
        self._space = ""

    def new_set(self) -> AcquirerSet:
        """Return untrained acquirers of the right shape: with them a layer is what it was."""
        return AcquirerSet(self.layers, self.width, self.config.bottleneck)

    def acquired(self, acquirers: AcquirerSet | None) -> TextTower:
        """Return a tower that reads by these acquirers."""
        return acquired_tower(self.tower, self.embedding, acquirers)

    def add(self, content: AcquirerFile) -> str:
        """Let the model read a language; one that it reads already is read anew. Return the language's code.

        Raises:
            CheckpointError: The tensors are not those of this model's layers, not finite, or of another model.
        """
        if content.space != self.space:
            raise CheckpointError(
                f"the acquirers of {content.language} are for another model ({content.space!r:.20}, this one is "
                f"{self.space}); train them again with --add-language"
            )
        made = self.new_set()
        wanted = {name: tuple(value.shape) for name, value in made.state_dict().items()}
        found = {name: tuple(value.shape) for name, value in content.tensors.items()}
        if wrong := sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name)):
            raise CheckpointError(
                f"the acquirers of {content.language}: {wrong[0]!r:.40} is {found.get(wrong[0])}; "
                f"wanted {wanted.get(wrong[0])}"
            )
        if not all(value.is_floating_point() and value.isfinite().all() for value in content.tensors.values()):
            raise CheckpointError(f"the acquirers of {content.language} hold values that are no finite numbers")
        made.load_state_dict({name: value.float() for name, value in content.tensors.items()})
        made.to(self._device).requires_grad_(False)
        tower = self.acquired(made)
        with self._lock:
            self._towers = {**self._towers, content.language: tower}
            self._sets = {**self._sets, content.language: made}
            self._pairs = {**self._pairs, content.language: content.pairs}
        return content.language

    def add_file(self, path: Path) -> str:
        """Let a running model read the language of a file; return its code.

        Raises:
            CheckpointError: As ``acquirer_files.read`` and ``add`` raise it.
        """
        return self.add(acquirer_files.read(path))

    def remove(self, language: str) -> None:
        """Forget a language; its texts go through the tower itself again. Unknown ones are passed over."""
        with self._lock:
            self._towers = {code: tower for code, tower in self._towers.items() if code != language}
            self._sets = {code: made for code, made in self._sets.items() if code != language}

    def tensors(self, language: str) -> dict[str, Tensor]:
        """Return a language's tensors as they are used, float32.

        Raises:
            KeyError: It has no acquirers.
        """
        return dict(self._sets[language].state_dict())

    def route(self, language: str | None) -> str | None:
        """Return whose acquirers read a language: its own, or those of its base (``pt`` for ``pt-BR``); None for none.

        English and unknown languages have none: the tower itself reads them.
        """
        towers = self._towers
        for code in (language or "", (language or "").partition("-")[0]):
            if code in towers:
                return code
        return None

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Return ``input_ids`` and ``attention_mask``, int64 [texts, tokens], padded to the longest."""
        batch = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.config.max_tokens, return_tensors="pt"
        )
        return {name: batch[name] for name in ("input_ids", "attention_mask")}

    @property
    def reads(self) -> tuple[str, ...]:
        """The languages with acquirers."""
        return self.languages

    def read(self, texts: Sequence[str], languages: Sequence[str | None]) -> dict[int, np.ndarray]:
        """Return the texts of languages that have acquirers, see ``Part.read``."""
        places: dict[str, list[int]] = {}
        for position, language in enumerate(languages):
            if (route := self.route(language)) is not None:
                places.setdefault(route, []).append(position)
        found: dict[int, np.ndarray] = {}
        for route, positions in places.items():
            # Texts of like length share a batch: less padding.
            positions.sort(key=lambda position: (len(texts[position]), texts[position]))
            for start in range(0, len(positions), TEXTS_AT_ONCE):
                chosen = positions[start : start + TEXTS_AT_ONCE]
                batch = self.embed([texts[position] for position in chosen], route)
                found.update(zip(chosen, batch.float().cpu().numpy(), strict=True))
        return found

    def embed(self, texts: Sequence[str], language: str) -> Tensor:
        """Return float32 [texts, dimension], L2-normalised, of one language's texts.

        Args:
            texts: One batch.
            language: As ``route`` returns it.
        """
        tokens = self.tokenize(texts)
        return self._towers[language](**{name: value.to(self._device) for name, value in tokens.items()})


def _table(place: str) -> Tensor:
    """Return the token embeddings of a multilingual encoder's folder, [pieces, width], as they are stored."""
    path = Path(place) / "model.safetensors"
    if path.is_file():
        with safe_open(path, "pt") as file:
            names = [name for name in file.keys() if re.search(r"(?:^|\.)embeddings\.word_embeddings\.weight$", name)]  # noqa: SIM118
            if len(names) == 1:
                return file.get_tensor(names[0])
    from cacara.encoders.hub import text as hub_text

    return hub_text.load(place).encoder.get_input_embeddings().weight.detach()  # type: ignore[operator]
