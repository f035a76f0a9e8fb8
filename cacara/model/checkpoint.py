"""A model folder: written whole, read strictly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from cacara import devices
from cacara.errors import CheckpointError
from cacara.model import calibration as calibrations
from cacara.model import compact_weights, hub, weights_file
from cacara.model import towers as model_towers
from cacara.model.calibration import CALIBRATION, Calibration
from cacara.model.config import DEFAULT_MODEL, ModelConfig
from cacara.model.model import Cacara
from cacara.model.parts import table
from cacara.model.parts.part import Part, with_prefix
from cacara.model.seen_texts import SEEN, SeenTexts
from cacara.model.towers import TowerUpdates
from cacara.sources.clients import Report, silent
from cacara_files.atomic import replacing

CONFIG, WEIGHTS, CARD = "config.json", weights_file.NAME, "README.md"
FILES = (CONFIG, WEIGHTS, CARD)
OPTIONAL_FILES = (SEEN, CALIBRATION, *table.FOLDERS)

Storage = Literal["plain", "compact", "shared"]
"""Storage of tensors: each part in its own precision; large matrices as int8; or only what a bundled base lacks."""


def bundled() -> dict[str, Path]:
    """Return the checkpoints that ship with the package, by name."""
    root = Path(__file__).parents[1] / "bundled"
    return {folder.name: folder for folder in sorted(root.glob("*")) if (folder / CONFIG).is_file()}


def find(name_or_folder: str | Path) -> Path:
    """Return the folder of a bundled name, of a path, or of a model of the Hub, which is fetched.

    Raises:
        CheckpointError: It is none of them, a file of the folder is missing, or the Hub's cannot be fetched.
    """
    names = bundled()
    if str(name_or_folder).startswith(hub.PREFIX):
        patterns = [*FILES, SEEN, CALIBRATION, *(f"{name}/*" for name in table.FOLDERS)]
        folder = hub.fetch(str(name_or_folder), patterns)
    else:
        folder = names.get(str(name_or_folder), Path(name_or_folder))
    if not folder.is_dir():
        raise CheckpointError(
            f"no model {str(name_or_folder)!r}; wanted {', '.join(names) or 'a folder'} or a model folder"
        )
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise CheckpointError(f"the model folder {folder} lacks {', '.join(missing)}; wanted {', '.join(FILES)}")
    return folder


def load(
    name_or_folder: str | Path = DEFAULT_MODEL,
    device: str = "auto",
    precision: str = "float32",
    report: Report = silent,
) -> Cacara:
    """Load a model.

    Args:
        name_or_folder: The name of a bundled checkpoint, a model folder, or ``hub:OWNER/NAME`` (``@REVISION``).
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``float32``, ``bfloat16`` or ``float16``, by autocast.
        report: Told of the backbones' fetching.

    Raises:
        CheckpointError: The folder is missing, damaged, of another format version, or its weights do not fit.
        DeviceError: No such device or precision.
        SourceError: A backbone's weights cannot be fetched.
    """
    folder = find(name_or_folder)
    before = weights_file.state(folder)
    config = read_config(folder)
    target = devices.resolve(device)
    devices.precision(precision, target)  # refuse a wrong name before the slow part
    raw, tensors = weights_file.read(folder / WEIGHTS)
    kinds = table.parts_of(config)
    _refuse_unknown(folder, tensors, kinds)
    towers = model_towers.load(config, report)
    try:
        model_towers.update(towers, tensors)
        towers.text.to(target)
        parts = [kind.build(config, towers, report) for kind in kinds]
        for part in parts:
            part.fill(with_prefix(tensors, part.prefix), folder)
    except (RuntimeError, LookupError, ValueError) as error:
        raise CheckpointError(f"{folder / WEIGHTS} does not fit its config.json: {error}") from error
    digest = hashlib.sha256((folder / CONFIG).read_bytes() + raw).hexdigest()
    if weights_file.state(folder) != before:
        raise CheckpointError(f"the model folder {folder} was changed while it was read; wait and load it again")
    return Cacara(config, towers, parts, digest[:12], target, precision, folder, calibrations.read(folder))


def read_config(folder: Path) -> ModelConfig:
    """Return a folder's config.

    Raises:
        CheckpointError: It cannot be read, or is of another format version.
    """
    try:
        return ModelConfig.from_json(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{folder / CONFIG} cannot be read: {error}") from error
    except CheckpointError as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from error


def save(
    folder: Path,
    config: ModelConfig,
    parts: Sequence[Part],
    card: str,
    *,
    base: str | Path | None = None,
    updates: TowerUpdates | None = None,
    seen: SeenTexts | None = None,
    calibration: Calibration | None = None,
    storage: Storage = "plain",
) -> None:
    """Write a model folder beside its place, then put it there.

    With a base, all of it stays bit by bit: its parts with their files as far as the new config has them and none is
    given in their place, the updates of towers that both have, and what it saw of the benchmark.

    Args:
        folder: Target; an older model folder there is replaced, anything else is left alone.
        config: The model's config.
        parts: All parts that the config has; with a base those that are new or other ones.
        card: The model card, Markdown.
        base: The name or folder of the model that the new one is made of.
        updates: Changes of the towers by training.
        seen: What of the benchmark the training saw; None says nothing, or what the base says.
        calibration: Says how likely its hits are right; None leaves it unsaid, as the base's is of other scores.
        storage: ``plain``; ``compact`` for large matrices as int8; ``shared`` for nothing that a bundled base has.

    Raises:
        CheckpointError: ``base`` is no model, or has parts that do not fit the new ones; a part is missing or is not
            in the config; ``folder`` is something else, holds files of a part that the new model lacks, or cannot be
            written.
    """
    origin = None if base is None else find(base)
    updates = updates or TowerUpdates()
    given = {type(part): part for part in parts}
    tensors: dict[str, Tensor] = {}
    files: dict[str, bytes] = {}
    if origin is not None:
        tensors, files = _kept(origin, config, given.keys(), updates)
    if storage == "compact":
        tensors = compact_weights.shrunk(tensors)
    for part in parts:
        stored = part.compacted() if storage == "compact" else part.stored()
        tensors |= {f"{part.prefix}{name}": value for name, value in stored.items()}
        files |= part.files()
    tensors |= updates.stored()
    _refuse_other_parts(folder, config, given.keys(), tensors)
    _refuse_loss(folder, files)
    if seen is not None:
        files[SEEN] = (json.dumps(seen.to_json(), indent=1) + "\n").encode()
    if calibration is not None:
        files[CALIBRATION] = (json.dumps(calibration.to_json(), indent=1) + "\n").encode()
    metadata: Mapping[str, str] = {}
    if storage == "shared" and origin is not None:
        tensors, metadata = weights_file.shared(tensors, origin)
    _write(folder, config, tensors, card, files, metadata)


def has_text_updates(name_or_folder: str | Path) -> bool:
    """Return whether a model's text tower is not the frozen one: its folder holds low-rank updates of it."""
    _, tensors = weights_file.read(find(name_or_folder) / WEIGHTS)
    return any(name.startswith(model_towers.TEXT_LORA) for name in tensors)


def _kept(
    base: Path, config: ModelConfig, given: Collection[type[Part]], updates: TowerUpdates
) -> tuple[dict[str, Tensor], dict[str, bytes]]:
    """Return the tensors and files that a model keeps of its base.

    Raises:
        CheckpointError: A part that is kept was trained to fit one that is not.
    """
    described = read_config(base)
    wanted = table.parts_of(config)
    kept = [kind for kind in table.parts_of(described) if kind in wanted and kind not in given]
    replaced = {*(kind.prefix for kind in given), *updates.given()}
    for kind in kept:
        if misfits := replaced & set(kind.fits):
            raise CheckpointError(
                f"{base} has {kind.title}, which fit the rest of it as it is; wanted a base without, as other tensors "
                f"are given for {', '.join(sorted(misfits))}"
            )
    prefixes = {*(kind.prefix for kind in kept), *model_towers.kept_prefixes(described, config)} - replaced
    _, tensors = weights_file.read(base / WEIGHTS)
    paths = [path for kind in kept if kind.folder for path in sorted((base / kind.folder).rglob("*"))]
    paths += [base / SEEN]
    files = {path.relative_to(base).as_posix(): path.read_bytes() for path in paths if path.is_file()}
    return {name: value for name, value in tensors.items() if name.startswith(tuple(prefixes))}, files


def _write(
    folder: Path,
    config: ModelConfig,
    tensors: Mapping[str, Tensor],
    card: str,
    files: Mapping[str, bytes],
    metadata: Mapping[str, str],
) -> None:
    _refuse_what_is_no_model(folder)
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    try:
        with replacing(folder) as partial:
            partial.mkdir()
            save_file(contiguous, partial / WEIGHTS, metadata={"format": "pt", **metadata})
            (partial / WEIGHTS).chmod(0o644)  # safetensors writes files that only their owner can read
            described = json.dumps(config.to_json(), indent=1, ensure_ascii=False)
            (partial / CONFIG).write_text(described + "\n", encoding="utf-8")
            (partial / CARD).write_text(card, encoding="utf-8")
            for name, content in files.items():
                (partial / name).parent.mkdir(exist_ok=True)
                (partial / name).write_bytes(content)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"the model folder {folder} cannot be written: {error}") from error


def _refuse_unknown(folder: Path, tensors: Mapping[str, Tensor], kinds: Collection[type[Part]]) -> None:
    known = (*(kind.prefix for kind in kinds), *model_towers.PREFIXES.values())
    if left := [name for name in tensors if not name.startswith(known)]:
        raise CheckpointError(f"{folder / WEIGHTS} holds tensors of no known part: {', '.join(left[:3])}")


def _refuse_other_parts(
    folder: Path, config: ModelConfig, given: Collection[type[Part]], tensors: Mapping[str, Tensor]
) -> None:
    """Refuse a model whose parts are not those that its config has."""
    wanted = table.parts_of(config)
    if more := [kind.title for kind in given if kind not in wanted]:
        raise CheckpointError(f"{folder} is to have {', '.join(more)}, which its config does not have; wanted both")
    with_tensors = [kind for kind in wanted if not kind.stored_elsewhere]
    if missing := [kind.title for kind in with_tensors if not any(name.startswith(kind.prefix) for name in tensors)]:
        raise CheckpointError(f"{folder} is to have a config with {', '.join(missing)}, but none are given")


def _refuse_loss(folder: Path, files: Collection[str]) -> None:
    """Refuse to replace a model whose parts have files that the new one would lack, such as languages of a user."""
    there = {path.relative_to(folder).as_posix() for name in table.FOLDERS for path in (folder / name).glob("*")}
    if lost := sorted(there - set(files)):
        raise CheckpointError(f"{folder} holds {', '.join(lost)}, which would be lost; move them")


def _refuse_what_is_no_model(folder: Path) -> None:
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    if names and (CONFIG not in names or not names <= {*FILES, *OPTIONAL_FILES}):
        found = ", ".join(sorted(names - {*FILES, *OPTIONAL_FILES})[:3]) or f"no {CONFIG}"
        raise CheckpointError(f"{folder} is no model folder ({found}); wanted a new one, or one of {', '.join(FILES)}")
