from __future__ import annotations

import numpy as np
import pytest
import torch

from cacara import sources
from cacara.encoders import text
from cacara.errors import SourceError
from cacara.model.config import TextConfig
from cacara.sources.converters import minilm


def test_a_package_that_lacks_a_file_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "fetch", lambda key, report: tmp_path)
    with pytest.raises(SourceError, match=r"lacks config\.json, model\.safetensors"):
        minilm.prepare()


@pytest.mark.weights
def test_the_tower_gives_the_cosines_that_the_models_authors_publish():
    tower = text.load(TextConfig(minilm.NAME, "", 128))
    sentences = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    with torch.inference_mode():
        embedded = tower(**tower.tokenize(sentences)).numpy()
    published = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    assert np.allclose(embedded @ embedded.T, published, atol=2e-4)
    assert not any(parameter.requires_grad for parameter in tower.parameters())
