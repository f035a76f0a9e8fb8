"""A tokenizer of SentencePiece's unigram pieces, called as one of ``transformers`` is.

For 250,000 pieces ``transformers``' own takes 300 MB of memory and SentencePiece 60; both cut texts alike, except that
SentencePiece leaves out white space at the end of a text and may decide between equally good cuts otherwise.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from cacara.errors import CheckpointError
from cacara.sources.converters.pieces import FILE


class PieceTokenizer:
    """Cuts texts into pieces between ``<s>`` and ``</s>``."""

    def __init__(self, path: Path) -> None:
        """Read a file of pieces.

        Raises:
            CheckpointError: It is missing or damaged.
        """
        import sentencepiece

        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (OSError, RuntimeError) as error:
            raise CheckpointError(f"{path} cannot be read as SentencePiece's pieces: {error}") from error
        self.pad_token_id: int = self._pieces.pad_id()
        self.unk_token_id: int = self._pieces.unk_id()
        self._ends: tuple[int, int] = (self._pieces.bos_id(), self._pieces.eos_id())

    def __call__(
        self,
        texts: str | Sequence[str],
        *,
        add_special_tokens: bool = True,
        padding: bool = False,
        truncation: bool = False,
        max_length: int | None = None,
        return_tensors: str | None = None,
    ) -> dict[str, Any]:
        """Return ``input_ids`` and ``attention_mask`` of one text, or of several.

        Args:
            texts: Any texts without lone surrogates.
            add_special_tokens: Whether ``<s>`` and ``</s>`` stand around.
            padding: Whether all become as long as the longest, with ``<pad>`` behind.
            truncation: Whether pieces beyond ``max_length`` are left out, the ends counted.
            max_length: See there.
            return_tensors: None for lists, ``pt`` for int64 [texts, pieces], padded.
        """
        several = [texts] if isinstance(texts, str) else list(texts)
        room = None
        if truncation and max_length is not None:
            room = max(0, max_length - 2 * add_special_tokens)
        rows: list[list[int]] = [own[:room] for own in self._pieces.encode(several)]
        if add_special_tokens:
            rows = [[self._ends[0], *own, self._ends[1]] for own in rows]
        longest = max(map(len, rows), default=0) if padding or return_tensors else 0
        masks = [[1] * len(own) + [0] * (longest - len(own)) for own in rows]
        rows = [own + [self.pad_token_id] * (longest - len(own)) for own in rows]
        if return_tensors == "pt":
            return {
                name: torch.tensor(values, dtype=torch.int64).reshape(len(rows), longest)
                for name, values in (("input_ids", rows), ("attention_mask", masks))
            }
        if isinstance(texts, str):
            return {"input_ids": rows[0], "attention_mask": masks[0]}
        return {"input_ids": rows, "attention_mask": masks}

    def get_vocab(self) -> dict[str, int]:
        """Return every piece with its number."""
        return {self._pieces.id_to_piece(number): number for number in range(self._pieces.get_piece_size())}

    def convert_ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the pieces of these numbers."""
        return [self._pieces.id_to_piece(int(number)) for number in ids]


@functools.lru_cache(maxsize=4)
def _read(path: Path, changed_ns: int) -> PieceTokenizer:
    del changed_ns  # a file that is replaced is read anew
    return PieceTokenizer(path)


def of(place: str) -> Any:  # noqa: ANN401
    """Return the tokenizer of a folder or hub id: one for all who ask where the folder has a file of pieces.

    Raises:
        CheckpointError: It cannot be read.
    """
    path = Path(place, FILE)
    try:
        if path.is_file():
            return _read(path, path.stat().st_mtime_ns)
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(place)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"the tokenizer of {place} cannot be loaded: {error!s:.200}") from error
