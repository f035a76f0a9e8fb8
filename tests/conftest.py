"""Tiny real models, and no network."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from cacara import working_folders

# The suite asks the same everywhere, so that a red run is a change's fault; `make soak` looks further, at random.
hypothesis.settings.register_profile("suite", derandomize=True, database=None, deadline=None)
hypothesis.settings.register_profile("search", max_examples=2_000, print_blob=True)
hypothesis.settings.load_profile("suite")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the other cores are the other workers'
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as app.py sets it
working_folders.remove_stale()  # what runs that were killed have left
if "GRADIO_TEMP_DIR" not in os.environ:
    os.environ["GRADIO_TEMP_DIR"] = str(working_folders.make("tests"))
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

VOCABULARY = ["<s>", "<pad>", "</s>", "<unk>", "query:", "dog", "cat", "hund", "katze", "a", "rain", "bird", "bell"]


@pytest.fixture(scope="session")
def tiny_text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer BertModel with a word tokenizer, saved as ``transformers`` saves models."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-text")
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(VOCABULARY)}, unk_token="<unk>"))
    words.normalizer = normalizers.Lowercase()  # German is read with capitals, the vocabulary has none
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=1,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_text_folder: Path):
    """The whole model at toy width: 32 dimensions, 7 classes, random weights from a seed."""
    import torch

    from cacara.encoders import text
    from cacara.encoders.audio import AudioTower
    from cacara.encoders.yamnet import Yamnet, YamnetConfig
    from cacara.model.config import AudioConfig, ModelConfig, TextConfig
    from cacara.model.model import Cacara
    from cacara.model.parts.centring import LanguageCentring
    from cacara.model.parts.head import AudioHead
    from cacara.model.towers import Towers

    torch.manual_seed(1)
    text_config = TextConfig(str(tiny_text_folder), "query: ", 16)
    audio_config = AudioConfig("yamnet", 16, 0.5, 0.5, 3, 1.0, "mean")
    config = ModelConfig("tiny", "1", 32, text_config, audio_config, True, ("de", "en"), "Apache-2.0")
    tower = AudioTower(Yamnet(YamnetConfig(8, ((16, 2), (24, 2)), 7)), "mean").eval()
    head = AudioHead(audio_config, tower.features, tower.classes, config.dimension)
    head.class_embeddings.copy_(torch.nn.functional.normalize(torch.randn(7, 32), dim=-1))
    centring = LanguageCentring(config.languages, config.dimension)
    centring.means.copy_(0.1 * torch.randn(2, 32))
    return Cacara(config, Towers(text.load(text_config), tower), [head, centring], "tiny", torch.device("cpu"))


@pytest.fixture(scope="session")
def tiny_image_tower():
    """An image tower at toy width: 12 features, 5 classes, random weights from a seed."""
    import torch
    from torch import nn

    from cacara.encoders.image import ImageTower

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 12, 16, 16)
            self.classifier = nn.Linear(12, 5)

        def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.stem(pixels))

        def forward_head(self, hidden: torch.Tensor, pre_logits: bool) -> torch.Tensor:
            assert pre_logits
            return hidden.mean((2, 3))

    torch.manual_seed(2)
    return ImageTower(Network(), 12, 5).eval()


@pytest.fixture(scope="session")
def seeing_model(tiny_model, tiny_image_tower):
    """``tiny_model`` with pictures beside."""
    import dataclasses

    import torch

    from cacara.model.config import ImageConfig
    from cacara.model.model import Cacara
    from cacara.model.parts.head import ImageHead
    from cacara.model.towers import Towers

    torch.manual_seed(3)
    image_config = ImageConfig("efficientnet-lite0", 16, 0.5, 0.5, 3, 1.0)
    head = ImageHead(image_config, 12, 5, tiny_model.dimension)
    head.class_embeddings.copy_(torch.nn.functional.normalize(torch.randn(5, 32), dim=-1))
    return Cacara(
        dataclasses.replace(tiny_model.config, name="seeing", image=image_config),
        Towers(tiny_model.text, tiny_model.audio, tiny_image_tower),
        [*tiny_model.parts, head],
        "seeing",
        torch.device("cpu"),
    )


@pytest.fixture
def noise() -> np.ndarray:
    """Two seconds of noise, float32 at 16 kHz."""
    return np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
