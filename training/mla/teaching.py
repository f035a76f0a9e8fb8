"""Teach a model one more language from a file of pairs: acquirers for it alone, everything else stays bit by bit.

Native Language Transfer of MLA (``training.mla.acquisition``) with ``W_e`` frozen. A tenth of the pairs is held
out; how well its texts find their English is measured before and after.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cacara import languages, working_folders
from cacara.errors import CacaraError, LanguageError
from cacara.model import checkpoint
from cacara.model.model import Cacara
from cacara.model.parts import acquirer_files
from cacara.model.parts.acquirer_files import AcquirerFile
from cacara.model.parts.acquirers import Acquirers
from cacara.words import text_pairs
from training import loop
from training.data import text_statistics
from training.loop import LoopOptions
from training.mla import pairs as language_pairs
from training.mla.acquisition import LanguageAcquisition, LanguageAcquisitionOptions, StageOptions
from training.mla.data import LanguageBatches
from training.progress import ProgressFile
from training.run_folder import RunError

HELD_OUT_SHARE = 0.1
HELD_OUT_MOST = 200
DISTRACTORS = 2000
BATCH = 32
STEPS = (150, 600)
"""At least and at most; between, as many as there are pairs."""

log = logging.getLogger(__name__)

Progress = Callable[[str, float, str], None]
"""Told of stage, fraction from 0 to 1, and message."""


@dataclasses.dataclass(frozen=True)
class TeachingResult:
    """What came of it.

    Attributes:
        acquirer: The file.
        language: BCP-47 code.
        pairs: Number of pairs that it was trained on.
        before: Scores of the held-out pairs without acquirers: ``pairs``, ``R@1`` and ``R@10`` in per cent, ``cosine``.
        after: The same with them.
        warnings: Remarks for a person.
    """

    acquirer: Path
    language: str
    pairs: int
    before: Mapping[str, float]
    after: Mapping[str, float]
    warnings: tuple[str, ...]


def teach(
    code: str,
    pairs: Path,
    output: Path,
    model_name: str | Path = "mla",
    seed: int = 0,
    tell: Progress = lambda stage, fraction, message: None,
) -> TeachingResult:
    """Train acquirers for a language and write them to ``output / "CODE.safetensors"``.

    Args:
        code: The language, BCP-47; not English.
        pairs: The file, see ``training.mla.pairs``.
        output: A folder; made if missing.
        model_name: A model with acquirers: name or folder.
        seed: Of everything random: the same pairs give the same file.
        tell: Told how far it is.

    Raises:
        LanguageError: ``code`` is no language code.
        RunError: The file is no good, the language is English, or the model takes no acquirers.
        CheckpointError: There is no such model, or the file cannot be written.
    """
    language = languages.normalise(code)
    if languages.base(language) == "en":
        raise RunError(f"{code!r} is English, which the model reads already; wanted another language")
    tell("reading", 0.0, f"reading {pairs.name}")
    read = language_pairs.read(pairs, language)
    tell("loading", 0.02, f"loading the model, {len(read.pairs):,} pairs")
    model = checkpoint.load(model_name, report=lambda progress: log.info("%s", progress))
    acquirers = acquirers_of(model)
    warnings = [*read.warnings(), *tokenizer_warnings(language, [text for _, text in read.pairs], acquirers)]
    if language in acquirers.languages:
        warnings.append(f"the model reads {language} already; the new acquirers take the place of those")
        acquirers.remove(language)
    taught, held_out = _split(read.pairs, seed)
    tell("embedding", 0.08, "embedding the English side")
    english = sorted({text for text, _ in read.pairs})
    targets = torch.from_numpy(text_statistics.embed(model.text, english)).to(model.device)
    before = _scores(model, language, held_out, english, targets)
    tell("training", 0.12, f"training on {len(taught):,} pairs")
    tensors = train_acquirers(language, taught, [1.0] * len(taught), english, targets, model, seed, tell)
    content = AcquirerFile(language, acquirers.space, len(taught), tensors)
    tell("measuring", 0.95, "measuring held-out pairs")
    halves = {name: value.half() for name, value in tensors.items()}
    acquirers.add(dataclasses.replace(content, tensors=halves))  # as it will be read
    after = _scores(model, language, held_out, english, targets)
    path = output / f"{language}{acquirer_files.SUFFIX}"
    acquirer_files.write(path, content)
    return TeachingResult(path, language, len(taught), before, after, tuple(warnings))


def acquirers_of(model: Cacara) -> Acquirers:
    """Return a model's acquirers.

    Raises:
        RunError: It takes none.
    """
    acquirers = model.part(Acquirers)
    if acquirers is None:
        raise RunError(f"the model {model.name} takes no language acquirers; wanted one such as mla")
    return acquirers


def _split(pairs: Sequence[tuple[str, str]], seed: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return pairs to train on and held-out ones; an English text is on one side only."""
    english = sorted({text for text, _ in pairs})
    count = max(2, min(HELD_OUT_MOST, round(len(english) * HELD_OUT_SHARE)))
    chosen = np.random.default_rng([seed, 5]).permutation(len(english))[:count]
    held = {english[row] for row in chosen}
    taught = [pair for pair in pairs if pair[0] not in held]
    if not taught:
        raise RunError(f"the pairs have {len(english)} different English texts; wanted more than {count}")
    return taught, [pair for pair in pairs if pair[0] in held]


def train_acquirers(
    language: str,
    pairs: Sequence[tuple[str, str]],
    weights: Sequence[float],
    english: Sequence[str],
    targets: Tensor,
    model: Cacara,
    seed: int,
    tell: Progress,
) -> dict[str, Tensor]:
    """Return a language's acquirers, float32, trained on pairs; the model stays as it is.

    Args:
        language: BCP-47 code.
        pairs: English and the language.
        weights: Frequency of each pair, against the others, above 0.
        english: The English texts, all of the pairs' among them.
        targets: float32 [texts, dimension], where the frozen tower puts them.
        model: One with acquirers.
        seed: Of everything random.
        tell: Told of the stage ``training``, from 0.12 to 0.92.

    Raises:
        RunError: All texts are too long, or the model takes no acquirers.
    """
    acquirers = acquirers_of(model)
    steps = int(np.clip(len(pairs), *STEPS))
    options = LoopOptions(
        steps=steps, batch_size=BATCH, learning_rate=2e-3, seed=seed, checkpoint_every=steps + 1, precision="no"
    )
    described = LanguageAcquisitionOptions(
        name="taught",
        version="1",
        recipe="",
        policy="studio",
        languages=(language,),
        stages=(StageOptions("nlt", options),),
        bottleneck=acquirers.config.bottleneck,
        max_tokens=text_pairs.MAX_PIECES,
    )
    number = {text: place for place, text in enumerate(english)}
    data = LanguageBatches(acquirers.tokenizer, text_pairs.MAX_PIECES)
    kept = data.add([text for _, text in pairs], [number[text] for text, _ in pairs], weights)
    if not kept:
        raise RunError(f"all {len(pairs)} texts have more than {text_pairs.MAX_PIECES} pieces; wanted shorter ones")
    torch.manual_seed(seed)
    method = LanguageAcquisition(acquirers, (language,), targets, model.centring.mean_of("en"), described)
    method.projection.requires_grad_(False)
    with working_folders.made("teach") as folder:
        loop.train(method, _Told(data, steps, tell), options, folder)
    return {name: value.detach().cpu() for name, value in method.sets[language].state_dict().items()}


class _Told:
    """Batches that tell how far the training is."""

    def __init__(self, data: LanguageBatches, steps: int, tell: Progress) -> None:
        self._data, self._steps, self._tell = data, steps, tell

    def __len__(self) -> int:
        return len(self._data)

    def batch(self, indices: Sequence[int], step: int, seed: int) -> dict[str, Tensor]:
        if step % max(1, self._steps // 100) == 0:
            self._tell("training", 0.12 + 0.8 * step / self._steps, f"step {step} of {self._steps}")
        return self._data.batch(indices, step, seed)


def _scores(
    model: Cacara, language: str, pairs: Sequence[tuple[str, str]], english: Sequence[str], targets: Tensor
) -> dict[str, float]:
    """Return how well texts find their English among the file's English texts, at most ``DISTRACTORS`` more."""
    wanted = sorted({text for text, _ in pairs})
    held = set(wanted)
    others = [text for text in english if text not in held][:DISTRACTORS]
    place = {text: row for row, text in enumerate(english)}
    candidates = targets[[place[text] for text in [*wanted, *others]]].cpu().numpy()
    embedded = model.encode_text([text for _, text in pairs], language, centre=False, space="text")
    scores = embedded @ candidates.T
    right = np.array([wanted.index(text) for text, _ in pairs])
    own = scores[np.arange(len(pairs)), right]
    ranks = (scores >= own[:, None]).sum(1)  # a tie counts against it
    return {
        "pairs": len(pairs),
        "candidates": len(candidates),
        "R@1": round(100 * float((ranks <= 1).mean()), 1),
        "R@10": round(100 * float((ranks <= 10).mean()), 1),
        "cosine": round(float(own.mean()), 3),
    }


def tokenizer_warnings(language: str, texts: Sequence[str], acquirers: Acquirers) -> list[str]:
    """Return a warning if the tokenizer knows many pieces of the texts not at all; else nothing."""
    unknown = total = 0
    for start in range(0, len(texts), 1000):
        for ids in acquirers.tokenizer(list(texts[start : start + 1000]), add_special_tokens=False)["input_ids"]:
            unknown += sum(number == acquirers.tokenizer.unk_token_id for number in ids)
            total += len(ids)
    share = unknown / max(1, total)
    if share <= text_pairs.MAX_UNKNOWN:
        return []
    most = text_pairs.MAX_UNKNOWN
    return [
        f"the tokenizer does not know {share:.0%} of the pieces of {language} (more than {most:.0%}): texts "
        "that differ in those alone look the same to it, and the scores will stay low"
    ]


def command(code: str, pairs: Path, output: Path, model: str, progress: Path | None) -> dict[str, Any]:
    """Run ``teach`` as a program: progress into a file, SIGTERM cancels it and leaves nothing behind.

    Returns:
        What the last line of the progress file says, JSON-ready.

    Raises:
        CacaraError: As ``teach`` raises it; the progress file then ends with the stage ``failed``.
        KeyboardInterrupt: It was cancelled; the progress file then ends with the stage ``cancelled``.
    """
    file = ProgressFile(progress, anew=True)
    with _interruptible():
        try:
            taught = teach(code, pairs, output, model, tell=file.tell)
        except (CacaraError, LanguageError) as error:
            file.tell("failed", 1.0, str(error))
            raise
        except KeyboardInterrupt:
            file.tell("cancelled", 1.0, "cancelled; nothing was written")
            raise
    done: dict[str, Any] = {
        "message": f"{taught.language} is ready",
        "acquirer": str(taught.acquirer),
        "language": taught.language,
        "pairs": taught.pairs,
        "before": dict(taught.before),
        "after": dict(taught.after),
        "warnings": list(taught.warnings),
    }
    file.tell("done", 1.0, **done)
    return {"stage": "done", "fraction": 1.0, **done}


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM end the work as Ctrl-C does, so that what is half done is cleared away."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
