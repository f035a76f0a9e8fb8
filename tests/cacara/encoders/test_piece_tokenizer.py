"""Pieces cut by SentencePiece: as transformers' tokenizer of the same model cuts them."""

import pytest

from cacara import sources
from cacara.encoders import piece_tokenizer
from cacara.errors import CheckpointError
from cacara.sources.converters import e5, pieces
from training.data import text_statistics

SPECIAL = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "mask": "<mask>"}
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁dog", "▁cat", "▁", "d", "o", "g", "<mask>"]


@pytest.fixture
def place(tmp_path):
    scores = [0.0] * 4 + [-1.0, -1.5, -2.0, -3.0, -3.0, -3.0, 0.0]
    (tmp_path / pieces.FILE).write_bytes(pieces.model(PIECES, scores, SPECIAL, b""))
    return tmp_path


def test_texts_are_cut_between_the_ends(place):
    tokenizer = piece_tokenizer.of(str(place))
    assert tokenizer("dog cat")["input_ids"] == [0, 4, 5, 2]
    assert tokenizer("dog cat", add_special_tokens=False) == {"input_ids": [4, 5], "attention_mask": [1, 1]}
    assert tokenizer("")["input_ids"] == [0, 2]
    assert tokenizer("dogzebra")["input_ids"] == [0, 4, 3, 2]  # what is unknown is one piece
    assert tokenizer.convert_ids_to_tokens([4, 3]) == ["▁dog", "<unk>"]
    assert tokenizer.get_vocab() == {piece: number for number, piece in enumerate(PIECES)}
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id) == (1, 3)


def test_a_batch_is_padded_and_cut_short(place):
    tokenizer = piece_tokenizer.of(str(place))
    batch = tokenizer(["dog", "dog cat"], padding=True)
    assert batch == {"input_ids": [[0, 4, 2, 1], [0, 4, 5, 2]], "attention_mask": [[1, 1, 1, 0], [1, 1, 1, 1]]}
    tensors = tokenizer(["dog", "dog cat"], padding=True, return_tensors="pt")
    assert {name: value.tolist() for name, value in tensors.items()} == batch
    short = tokenizer(["dog dog dog dog"], truncation=True, max_length=4)
    assert short["input_ids"] == [[0, 4, 4, 2]]
    bare = tokenizer(["dog dog dog dog"], truncation=True, max_length=3, add_special_tokens=False)
    assert bare["input_ids"] == [[4, 4, 4]]
    assert tokenizer([], padding=True, return_tensors="pt")["input_ids"].shape == (0, 0)


def test_everyone_shares_one_tokenizer_until_its_file_changes(place):
    first = piece_tokenizer.of(str(place))
    assert piece_tokenizer.of(str(place)) is first
    path = place / pieces.FILE
    path.write_bytes(pieces.model(PIECES[:4] + ["▁cat"] + PIECES[-1:], [0.0] * 6, SPECIAL, b""))
    assert piece_tokenizer.of(str(place))("cat")["input_ids"] == [0, 4, 2]


def test_a_damaged_file_and_missing_pieces_are_told(place):
    (place / pieces.FILE).write_bytes(b"no pieces")
    with pytest.raises(CheckpointError, match="cannot be (read|loaded)"):
        piece_tokenizer.of(str(place))
    with pytest.raises(ValueError, match="'<mask>' is not among the pieces"):
        pieces.model(PIECES[:-1], [0.0] * 10, SPECIAL, b"")


@pytest.mark.weights
def test_the_published_pieces_cut_the_names_of_all_languages_as_transformers_does():
    from transformers import AutoTokenizer

    place = e5.prepare()
    ours, theirs = piece_tokenizer.of(str(place)), AutoTokenizer.from_pretrained(place)
    names = text_statistics.cldr_names(sources.fetch("cldr"))
    texts = sorted({f"query: {name.strip()}" for own in names.values() for name in own.values()})[::10]
    assert len(texts) > 3000
    differ = [
        pair
        for pair in zip(ours(texts)["input_ids"], theirs(texts)["input_ids"], strict=True)
        if len(set(map(tuple, pair))) > 1
    ]
    mark = theirs.convert_tokens_to_ids("▁")  # transformers keeps a mark where the text ends in white space
    assert len(differ) < len(texts) / 1000 and all([*cut[:-1], mark, cut[-1]] == kept for cut, kept in differ)
    odd = ["query: ｄｏｇ\u3000 犬 \u200b x\u0301", "query: 🐕‍🦺 \U0001f9ff ꙮ ☃"]
    assert ours(odd)["input_ids"] == theirs(odd)["input_ids"]
