from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from cacara import sources
from cacara.encoders import text
from cacara.encoders import use as use_text
from cacara.errors import SourceError
from cacara.model.config import TextConfig

CONFIG = TextConfig(use_text.NAME, "", 512)


def test_a_package_that_lacks_the_graph_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "fetch", lambda key, report: tmp_path)
    with pytest.raises(SourceError, match=r"embedding_model_quantized\.onnx is missing"):
        use_text.prepare()


def test_what_must_be_installed_is_told(tmp_path, monkeypatch):
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"no graph")
    monkeypatch.setitem(sys.modules, "onnxruntime_extensions", None)
    with pytest.raises(SourceError, match=r"needs onnxruntime_extensions: pip install -r requirements-engines\.txt"):
        use_text.UseTower(graph, CONFIG)


def test_a_damaged_graph_is_told(tmp_path):
    pytest.importorskip("onnxruntime_extensions")
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"no graph")
    with pytest.raises(SourceError, match=r"use-multilingual-3: .*graph\.onnx cannot be loaded"):
        use_text.UseTower(graph, CONFIG)


@pytest.mark.weights
def test_translations_lie_near_each_other_and_a_text_alone_is_what_it_is_among_others():
    pytest.importorskip("onnxruntime_extensions")
    tower = text.load(CONFIG)
    assert (tower.dimension, sum(parameter.requires_grad for parameter in tower.parameters())) == (512, 0)
    said = ["a dog barks", "ein Hund bellt", "一只狗在叫", "the violin plays in the great hall"]
    with torch.inference_mode():
        together = tower(**tower.tokenize(said)).numpy()
        alone = np.concatenate([tower(**tower.tokenize([one])).numpy() for one in said])
        read = tower.read(**tower.tokenize(said)).numpy()
    assert np.array_equal(together, alone) and np.array_equal(together, read) and tower.reader() == "InferenceSession"
    cosines = together @ together.T
    assert np.allclose(np.diag(cosines), 1, atol=1e-5)
    assert min(cosines[0, 1], cosines[0, 2], cosines[1, 2]) > 0.6 > 0.4 > cosines[:3, 3].max()


@pytest.mark.weights
def test_a_long_text_is_cut_at_a_whole_character():
    pytest.importorskip("onnxruntime_extensions")
    short, long = (text.load(TextConfig(use_text.NAME, "", most)) for most in (7, 512))
    with torch.inference_mode():
        cut = short(**short.tokenize(["一只狗"])).numpy()  # nine bytes
        assert np.array_equal(cut, long(**long.tokenize(["一只"])).numpy())
