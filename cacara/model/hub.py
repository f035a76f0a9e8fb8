"""Model folders on the Hugging Face Hub: fetched by address, and pushed so that they stand alone."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from safetensors.torch import save_file

from cacara.errors import CheckpointError
from cacara.model import weights_file

PREFIX = "hub:"
_ADDRESS = re.compile(r"hub:([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?", re.ASCII)


def fetch(address: str, patterns: list[str]) -> Path:
    """Return the folder of a model of the Hub, fetched into ``huggingface_hub``'s cache where it is not there yet.

    Without a network the copy in the cache answers. ``HF_ENDPOINT``, ``HF_HOME`` and ``HF_TOKEN`` are read as usual.

    Args:
        address: ``hub:OWNER/NAME``, or ``hub:OWNER/NAME@REVISION`` for a branch, tag or commit.
        patterns: Names of the files to fetch, with ``*``; whatever else the repository holds is left there.

    Raises:
        CheckpointError: The address is not one, or the Hub has no such model, refuses it, or cannot be reached.
    """
    parsed = _ADDRESS.fullmatch(address)
    if parsed is None:
        raise CheckpointError(
            f"{address!r:.100} is no model of the Hub; wanted hub:OWNER/NAME or hub:OWNER/NAME@REVISION"
        )
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    repository, revision = parsed.groups()
    try:
        folder = huggingface_hub.snapshot_download(repository, revision=revision, allow_patterns=patterns)
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise CheckpointError(f"{address} cannot be fetched: {_first_line(error)}") from error
    return Path(folder)


def push(folder: Path, repository: str, *, private: bool = False, token: str | None = None) -> str:
    """Push a model folder to the Hub, with all its tensors: what it shares with a bundled model goes along.

    Args:
        folder: The model folder; its README.md is the model card there.
        repository: ``OWNER/NAME``; made when it does not exist.
        private: Make a new repository private.
        token: Of an account that may write there; ``HF_TOKEN`` or the stored one when None.

    Returns:
        The address that ``cacara.load`` takes, pinned to the new commit.

    Raises:
        CheckpointError: The Hub refuses it or cannot be reached; nothing changed there but that the repository exists.
    """
    if _ADDRESS.fullmatch(f"{PREFIX}{repository}") is None or "@" in repository:
        raise CheckpointError(f"{repository!r:.100} is no repository of the Hub; wanted OWNER/NAME")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi(token=token)
    with tempfile.TemporaryDirectory(prefix="cacara-push-") as place:
        whole = Path(place) / "model"
        shutil.copytree(folder, whole)
        if weights_file.base_of(folder / weights_file.NAME) is not None:
            _, tensors = weights_file.read(folder / weights_file.NAME)
            contiguous = {name: value.contiguous() for name, value in tensors.items()}
            save_file(contiguous, whole / weights_file.NAME, metadata={"format": "pt"})
        try:
            api.create_repo(repository, private=private, exist_ok=True)
            commit = api.upload_folder(repo_id=repository, folder_path=whole, commit_message="Model folder of CACARA")
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            raise CheckpointError(f"{folder} cannot be pushed to {repository}: {_first_line(error)}") from error
    return f"{PREFIX}{repository}@{commit.oid}"


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
