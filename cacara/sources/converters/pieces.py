"""SentencePiece files of unigram pieces, written without SentencePiece's trainer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cacara.sources.converters.protobuf_wire import bytes_field, float_field, integer_field

FILE = "pieces.model"
"""Name of the file in a model's folder, a SentencePiece ``ModelProto``."""

_UNIGRAM = 1
_UNKNOWN, _CONTROL = 2, 3  # ModelProto.SentencePiece.Type


def model(pieces: Sequence[str], scores: Sequence[float], special: Mapping[str, str], charsmap: bytes) -> bytes:
    """Return a ``ModelProto`` of unigram pieces, their numbers being their places.

    Args:
        pieces: All pieces, the special ones among them.
        scores: Their log probabilities.
        special: Which piece is ``unk``, ``bos``, ``eos`` and ``pad``; further ones by names of their own.
        charsmap: The compiled normalisation rule.

    Raises:
        KeyError: One of the four is not named.
        ValueError: A special piece is not among the pieces.
    """
    number = {piece: place for place, piece in enumerate(pieces)}
    if missing := [piece for piece in special.values() if piece not in number]:
        raise ValueError(f"the special piece {missing[0]!r} is not among the pieces")
    kinds = {piece: _UNKNOWN if name == "unk" else _CONTROL for name, piece in special.items()}
    parts = []
    for piece, score in zip(pieces, scores, strict=True):
        content = bytes_field(1, piece.encode()) + float_field(2, float(score))
        parts.append(bytes_field(1, content + (integer_field(3, kinds[piece]) if piece in kinds else b"")))
    ids = ((40, "unk"), (41, "bos"), (42, "eos"), (43, "pad"))
    trainer = integer_field(3, _UNIGRAM) + b"".join(integer_field(field, number[special[name]]) for field, name in ids)
    # A word mark in front, white space as one mark, marks instead of blanks: as XLM-R's own file says.
    flags = integer_field(3, 1) + integer_field(4, 1) + integer_field(5, 1)
    normalizer = bytes_field(1, b"nmt_nfkc") + bytes_field(2, charsmap) + flags
    return b"".join(parts) + bytes_field(2, trainer) + bytes_field(3, normalizer)
