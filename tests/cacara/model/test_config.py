from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cacara.errors import CheckpointError
from cacara.model.config import FORMAT_VERSION, AudioConfig, ModelConfig, TextConfig

TEXT = TextConfig("multilingual-e5-small", "query: ", 128)
AUDIO = AudioConfig("yamnet", 512, 0.3, 0.7, 20, 1.0, "mean")
MODEL = ModelConfig("cacara", "2026.1", 384, TEXT, AUDIO, True, ("de", "pt-BR"), "CC0-1.0")

shares = st.floats(0.1, 1e6)
configs = st.builds(
    ModelConfig,
    name=st.from_regex(r"[\w.-]+", fullmatch=True),
    version=st.text(),
    dimension=st.integers(1, 4096),
    text=st.builds(TextConfig, st.text(), st.text(), st.integers(3, 512)),
    audio=st.builds(
        AudioConfig, st.text(), st.integers(1), shares, shares, st.integers(1), shares, st.sampled_from(["mean", "max"])
    ),
    centring=st.booleans(),
    languages=st.lists(st.text()).map(tuple),
    licence=st.text(),
)


@settings(deadline=None)
@given(configs)
def test_a_config_comes_back_from_json_as_it_was(config):
    assert ModelConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_whole_numbers_are_numbers_too():
    content = MODEL.to_json()
    content["audio"]["anchor_weight"] = 1
    assert ModelConfig.from_json(content).audio.anchor_weight == 1


def refusal(**changes) -> str:
    """Return the message for MODEL's JSON with fields changed; ``audio__hidden=1`` changes a field inside."""
    content = MODEL.to_json()
    for name, value in changes.items():
        part, _, inner = name.rpartition("__")
        (content[part] if part else content)[inner] = value
    with pytest.raises(CheckpointError) as caught:
        ModelConfig.from_json(content)
    return str(caught.value)


@pytest.mark.parametrize("version", [None, 0, FORMAT_VERSION + 1, "1"])
def test_another_format_version_is_told(version):
    assert f"format_version is {version!r}, this program reads {FORMAT_VERSION}" in refusal(format_version=version)


@pytest.mark.parametrize("part", [None, "text", "audio"])
def test_missing_and_unknown_fields_are_named(part):
    fields = dataclasses.fields({None: ModelConfig, "text": TextConfig, "audio": AudioConfig}[part])
    for field in (field for field in fields if field.default is dataclasses.MISSING):
        content = MODEL.to_json()
        del (content[part] if part else content)[field.name]
        with pytest.raises(CheckpointError, match=f"{field.name} are missing"):
            ModelConfig.from_json(content)
    assert "colour are unknown" in refusal(**{f"{part}__colour" if part else "colour": "red"})


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("name", 5, "type str"),
        ("version", 2026.1, "type str"),
        ("dimension", "384", "type int"),
        ("dimension", 384.0, "type int"),
        ("dimension", True, "type int"),
        ("dimension", None, "type int"),
        ("centring", "no", "type bool"),
        ("centring", 0, "type bool"),
        ("languages", "de", "a list of codes"),
        ("languages", ["de", 5], "a list of codes"),
        ("languages", None, "a list of codes"),
        ("text", "e5", "an object"),
        ("audio", [], "an object"),
        ("audio__anchor_weight", "0.7", "type float"),
        ("audio__anchor_weight", True, "type float"),
        ("audio__patch_pooling", None, "type str"),
    ],
)
def test_a_value_of_another_type_is_told(field, value, wanted):
    message = refusal(**{field: value})
    assert field.rpartition("__")[2] in message and repr(value) in message and wanted in message


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("dimension", 0, "from 1 up"),
        ("name", "", "letters, digits"),
        ("name", "../../cacara", "letters, digits"),
        ("text__max_tokens", 2, "from 3 up"),
        ("audio__hidden", -1, "from 0 up"),
        ("audio__anchor_top", 0, "from 1 up"),
        ("audio__anchor_power", math.inf, "from 0 up"),
        ("audio__projection_weight", -0.1, "from 0 up"),
        ("audio__anchor_weight", math.nan, "from 0 up"),
        ("audio__patch_pooling", "median", "'mean' or 'max'"),
    ],
)
def test_a_value_out_of_range_is_told(field, value, wanted):
    message = refusal(**{field: value})
    assert field.rpartition("__")[2] in message and str(value) in message and wanted in message


def test_an_embedding_of_nothing_is_refused():
    assert "both 0" in refusal(audio__projection_weight=0, audio__anchor_weight=0.0)


@pytest.mark.parametrize("content", [None, [], "config", 5])
def test_what_is_no_object_is_told(content):
    with pytest.raises(CheckpointError, match="wanted an object"):
        ModelConfig.from_json(content)
