"""A model folder: written whole, read strictly."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import types
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from cacara import devices
from cacara.encoders import audio, image, text
from cacara.errors import CheckpointError
from cacara.model import compact_weights, weights_file
from cacara.model.config import DEFAULT_MODEL, ImageConfig, ModelConfig
from cacara.model.model import Cacara
from cacara.model.parts import acquirer_files, lora
from cacara.model.parts import acquirers as language_acquirers
from cacara.model.parts.acquirer_files import AcquirerFile
from cacara.model.parts.heads import AudioHead, ImageHead, LanguageCentring
from cacara.model.parts.image_encoder import ImageEncoder
from cacara.model.parts.profile import ClassProfile
from cacara.model.parts.projectors import Projectors
from cacara.model.seen_texts import SEEN, SeenTexts
from cacara.sources.clients import Report, silent

CONFIG, WEIGHTS, CARD = "config.json", weights_file.NAME, "README.md"
FILES = (CONFIG, WEIGHTS, CARD)
OPTIONAL_FILES = (SEEN, acquirer_files.FOLDER)
TEXT_LORA = "text_lora."
W_E = "acquirers.weight"
"""The tensor that brings multilingual token embeddings into the text tower, of a model with acquirers."""
IMAGE_HEAD = "image_head."
"""What the names of the image head's tensors begin with."""
PROJECTORS = "projectors."
"""What the names of the tensors of uCLIP's heads begin with."""
PROFILE = "profile."
"""What the names of the class profiles' tensors begin with."""


def bundled() -> dict[str, Path]:
    """Return the checkpoints that ship with the package, by name."""
    root = Path(__file__).parents[1] / "bundled"
    return {folder.name: folder for folder in sorted(root.glob("*")) if (folder / CONFIG).is_file()}


def find(name_or_folder: str | Path) -> Path:
    """Return the folder of a bundled name or of a path.

    Raises:
        CheckpointError: It is neither, or a file of the folder is missing.
    """
    names = bundled()
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
        name_or_folder: The name of a bundled checkpoint, or a model folder.
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
    raw, tensors = _read_weights(folder)
    text_tower = text.load(config.text, report)
    if text_tower.dimension != config.text_width:
        raise CheckpointError(f"the text backbone is {text_tower.dimension} wide, config.json says {config.text_width}")
    audio_tower = audio.load(config.audio.backbone, config.audio.patch_pooling, report)
    head = AudioHead(config.audio, audio_tower.features, audio_tower.classes, config.media_width)
    centring = LanguageCentring(config.languages, config.text_width)
    images = _image_encoder(config, report)
    projectors = Projectors(config.projectors, config.dimension) if config.projectors else None
    text_map = torch.nn.Linear(config.text_width, config.text_width) if config.text_map else None
    profile = ClassProfile(config.profile, audio_tower.classes, config.text_width) if config.profile else None
    weight = tensors.pop(W_E, None) if config.acquirers else None
    optional = {"text_map.": text_map, PROJECTORS: projectors, PROFILE: profile, IMAGE_HEAD: images and images.head}
    _fill(folder, tensors, head, centring, audio_tower, text_tower.encoder, optional)
    acquirers = None
    if config.acquirers is not None:
        if weight is None:
            raise CheckpointError(f"{folder / WEIGHTS} does not fit its config.json: it lacks {W_E}")
        acquirers = language_acquirers.load(text_tower.to(target), config.acquirers, folder, weight, report)
    digest = hashlib.sha256((folder / CONFIG).read_bytes() + raw).hexdigest()
    if weights_file.state(folder) != before:
        raise CheckpointError(f"the model folder {folder} was changed while it was read; wait and load it again")
    parts = (images, text_map, acquirers, projectors, profile)
    return Cacara(config, text_tower, audio_tower, head, centring, digest[:12], target, precision, *parts)


def _image_encoder(config: ModelConfig, report: Report) -> ImageEncoder | None:
    """Return the image part, its head still empty, or None for a model without one."""
    if config.image is None:
        return None
    tower = image.load(config.image.backbone, report)
    return ImageEncoder(tower, ImageHead(config.image, tower.features, tower.classes, config.media_width))


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
    head: AudioHead,
    centring: LanguageCentring,
    card: str,
    audio_weights: Mapping[str, Tensor] | None = None,
    seen: SeenTexts | None = None,
    audio_lora: Mapping[str, Tensor] | None = None,
    text_map: torch.nn.Linear | None = None,
    profile: ClassProfile | None = None,
) -> None:
    """Write a model folder beside its place, then put it there.

    Args:
        folder: Target; an older model folder there is replaced, anything else is left alone.
        config: The model's config.
        head: The trained audio head.
        centring: The languages' means.
        card: The model card, Markdown.
        audio_weights: Tensors of the audio tower that training changed, under its state dict's names.
        seen: What of the benchmark the training saw; None says nothing about it.
        audio_lora: Low-rank updates of the audio tower, as ``lora.state`` returns them; merged when it is loaded.
        text_map: The trained layer behind the text tower, of a model whose config says that it has one.
        profile: The class profiles, of a model whose config says that it has them; stored in half precision.

    Raises:
        CheckpointError: ``folder`` exists and is no model folder, or cannot be written.
    """
    tensors = {
        **{f"head.{name}": value for name, value in head.state_dict().items()},
        **{f"centring.{name}": value for name, value in centring.state_dict().items()},
        **{f"audio.{name}": value for name, value in (audio_weights or {}).items()},
        **{f"audio_lora.{name}": value for name, value in (audio_lora or {}).items()},
        **{f"text_map.{name}": value for name, value in (text_map.state_dict() if text_map else {}).items()},
        **{f"{PROFILE}{name}": value.half() for name, value in (profile.state_dict() if profile else {}).items()},
    }
    _write(folder, config, tensors, card, None if seen is None else json.dumps(seen.to_json(), indent=1) + "\n")


def add_images(base: Path, folder: Path, image_config: ImageConfig, head: ImageHead, card: str) -> None:
    """Write a model folder that is another one with pictures beside; all other tensors stay as they are, bit by bit.

    Args:
        base: The folder of a model of the same text space; its image head, if it has one, is replaced.
        folder: Target; an older model folder there is replaced, anything else is left alone.
        image_config: The image part's config.
        head: The trained image head; stored in half precision.
        card: The model card, Markdown.

    Raises:
        CheckpointError: ``base`` is no model folder, or ``folder`` is something else or cannot be written.
    """
    config = dataclasses.replace(read_config(find(base)), image=image_config)
    _refuse_projectors(base, config)
    _, tensors = _read_weights(base)
    kept = {name: value for name, value in tensors.items() if not name.startswith(IMAGE_HEAD)}
    added = {f"{IMAGE_HEAD}{name}": value.half() for name, value in head.state_dict().items()}
    seen = base / SEEN
    said = seen.read_text(encoding="utf-8") if seen.is_file() else None
    acquirers = [acquirer_files.read(path) for path in sorted((base / acquirer_files.FOLDER).glob("*"))]
    _write(folder, config, kept | added, card, said, acquirers)


def add_acquirers(
    base: str | Path,
    folder: Path,
    config: ModelConfig,
    weight: Tensor,
    acquirers: Sequence[AcquirerFile],
    card: str,
    seen: SeenTexts | None,
) -> None:
    """Write a model folder that is another one with language acquirers beside; all its own tensors stay, bit by bit.

    Args:
        base: The other model's name or folder.
        folder: Target; an older model folder there is replaced, anything else is left alone.
        config: The new model's config: name, version and ``acquirers`` are its own.
        weight: ``W_e``, [width, embedding's width]; stored in full precision.
        acquirers: One a language.
        card: The model card, Markdown.
        seen: What of the benchmark the training saw.

    Raises:
        CheckpointError: ``base`` is no model, or has acquirers already; ``folder`` is something else, holds acquirers
            of a language that the new ones lack, or cannot be written.
    """
    _, tensors = _read_weights(find(base))
    _refuse_projectors(base, config)
    if W_E in tensors:
        raise CheckpointError(f"{base} has acquirers already; wanted a model without")
    lost = {path.stem for path in (folder / acquirer_files.FOLDER).glob("*")} - {made.language for made in acquirers}
    if lost:
        raise CheckpointError(f"{folder} holds acquirers of {', '.join(sorted(lost))}, which would be lost; move them")
    said = None if seen is None else json.dumps(seen.to_json(), indent=1) + "\n"
    _write(folder, config, tensors | {W_E: weight.float()}, card, said, acquirers)


def add_projectors(
    base: str | Path,
    folder: Path,
    config: ModelConfig,
    projectors: Projectors,
    centring: LanguageCentring,
    card: str,
    seen: SeenTexts | None,
) -> None:
    """Write a model folder of uCLIP: another model's sounds and pictures and a new text side, each behind its head.

    Args:
        base: The dual encoder's name or folder; its text side is left behind.
        folder: Target; an older model folder there is replaced, anything else is left alone.
        config: The new model's config: the multilingual text tower, ``projectors``, and the audio and image parts of
            the base.
        projectors: The trained heads; all large matrices are stored as int8.
        centring: The languages' means under the multilingual text tower.
        card: The model card, Markdown.
        seen: What of the benchmark the training saw.

    Raises:
        CheckpointError: ``base`` is no model, or ``folder`` is something else or cannot be written.
    """
    _, tensors = _read_weights(find(base))
    media = ("head.", "audio.", "audio_lora.", IMAGE_HEAD)
    kept = {name: value for name, value in tensors.items() if name.startswith(media)}
    kept |= {f"{PROJECTORS}{name}": value for name, value in projectors.state_dict().items()}
    means = {f"centring.{name}": value.half() for name, value in centring.state_dict().items()}
    said = None if seen is None else json.dumps(seen.to_json(), indent=1) + "\n"
    _write(folder, config, compact_weights.shrunk(kept) | means, card, said)


def has_text_updates(name_or_folder: str | Path) -> bool:
    """Return whether a model's text tower is not the frozen one: its folder holds low-rank updates of it."""
    return any(name.startswith(TEXT_LORA) for name in _read_weights(find(name_or_folder))[1])


def add_text(
    base: str | Path,
    folder: Path,
    config: ModelConfig,
    updates: Mapping[str, Tensor],
    card: str,
    seen: SeenTexts,
) -> None:
    """Write a model folder that is another one with a trained text side; sounds and pictures stay, bit by bit.

    Args:
        base: The other model's name or folder.
        folder: Target; an older model folder there is replaced, anything else is left alone.
        config: The new model's config: name and version are its own.
        updates: Low-rank updates of the text encoder, as ``lora.state`` returns them; merged when it is loaded. They
            bring every language's texts to those of English, so that all languages share the centre of English.
        card: The model card, Markdown.
        seen: What of the benchmark the training saw.

    Raises:
        CheckpointError: ``base`` is no model, or ``folder`` is something else or cannot be written.
    """
    _refuse_projectors(base, config)
    _, tensors = _read_weights(find(base))
    if W_E in tensors:
        raise CheckpointError(f"{base} has acquirers, which were made for its text tower as it is; wanted one without")
    kept = {name: value for name, value in tensors.items() if not name.startswith((TEXT_LORA, "centring."))}
    centring = LanguageCentring(config.languages, config.text_width)
    part = {name: tensors[f"centring.{name}"] for name in centring.state_dict()}
    centring.load_state_dict(part)
    english = centring.mean_of("en")
    kept |= {f"centring.{name}": english.expand_as(value) for name, value in part.items()}
    added = {f"{TEXT_LORA}{name}": value for name, value in updates.items()}
    said = json.dumps(seen.to_json(), indent=1) + "\n"
    own, metadata = weights_file.shared(kept | added, find(base))
    _write(folder, config, own, card, said, metadata=metadata)


def _write(
    folder: Path,
    config: ModelConfig,
    tensors: Mapping[str, Tensor],
    card: str,
    seen: str | None,
    acquirers: Sequence[AcquirerFile] = (),
    metadata: Mapping[str, str] = types.MappingProxyType({}),
) -> None:
    _refuse_what_is_no_model(folder)
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    partial, old = (folder.with_name(f"{folder.name}.{os.getpid()}.{state}") for state in ("partial", "old"))
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        save_file(contiguous, partial / WEIGHTS, metadata={"format": "pt", **metadata})
        (partial / WEIGHTS).chmod(0o644)  # safetensors writes files that only their owner can read
        described = json.dumps(config.to_json(), indent=1, ensure_ascii=False)
        (partial / CONFIG).write_text(described + "\n", encoding="utf-8")
        (partial / CARD).write_text(card, encoding="utf-8")
        if seen is not None:
            (partial / SEEN).write_text(seen, encoding="utf-8")
        for made in acquirers:
            name = f"{made.language}{acquirer_files.SUFFIX}"
            acquirer_files.write(partial / acquirer_files.FOLDER / name, made)
        if folder.exists():
            folder.replace(old)
        partial.replace(folder)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"the model folder {folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _refuse_projectors(base: str | Path, config: ModelConfig) -> None:
    if config.projectors is not None:
        raise CheckpointError(f"{base} is a model of uCLIP, whose heads fit its towers as they are; wanted another")


def _refuse_what_is_no_model(folder: Path) -> None:
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    if names and (CONFIG not in names or not names <= {*FILES, *OPTIONAL_FILES}):
        found = ", ".join(sorted(names - {*FILES, *OPTIONAL_FILES})[:3]) or f"no {CONFIG}"
        raise CheckpointError(f"{folder} is no model folder ({found}); wanted a new one, or one of {', '.join(FILES)}")


def _read_weights(folder: Path) -> tuple[bytes, dict[str, Tensor]]:
    return weights_file.read(folder / WEIGHTS)


def _fill(
    folder: Path,
    tensors: Mapping[str, Tensor],
    head: AudioHead,
    centring: LanguageCentring,
    audio_tower: torch.nn.Module,
    text_encoder: torch.nn.Module,
    optional: Mapping[str, torch.nn.Module | None],
) -> None:
    """Put the tensors where they belong; not one may be missing, left over or of another shape."""
    present = {prefix: module for prefix, module in optional.items() if module is not None}

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    try:
        head.load_state_dict(part("head."), strict=True)
        centring.load_state_dict(part("centring."), strict=True)
        for prefix, module in present.items():
            module.load_state_dict(part(prefix), strict=True)
        # Only the layers that training changed are in the folder; the others are the backbone's.
        audio_tower.load_state_dict({**audio_tower.state_dict(), **part("audio.")}, strict=True)
        lora.merge(audio_tower, part("audio_lora."))
        lora.merge(text_encoder, part(TEXT_LORA))
    except (RuntimeError, LookupError, ValueError) as error:
        raise CheckpointError(f"{folder / WEIGHTS} does not fit its config.json: {error}") from error
    parts = ("head.", "centring.", "audio.", "audio_lora.", TEXT_LORA, *present)
    if left := [name for name in tensors if not name.startswith(parts)]:
        raise CheckpointError(f"{folder / WEIGHTS} holds tensors of no known part: {', '.join(left[:3])}")
