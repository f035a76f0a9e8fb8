"""The model that users meet: texts of any language and sounds in one space."""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch

from cacara import devices
from cacara import languages as language_codes
from cacara.errors import CheckpointError, QueryError
from cacara.languages import Detection, spelling
from cacara.lexicon.personal_words import FixedWords, PersonalWord, WordSource
from cacara.model import hub
from cacara.model.calibration import Calibration
from cacara.model.config import ModelConfig
from cacara.model.parts import table
from cacara.model.parts.centring import LanguageCentring
from cacara.model.parts.head import AnchoredHead, AudioHead, ImageHead
from cacara.model.parts.lexical_memory import Found, LexicalMemory
from cacara.model.parts.part import Part, TextBatch, behind_head
from cacara.model.text_queue import TextQueue
from cacara.model.towers import Towers
from cacara.sources.clients import Report, silent

TEXTS_AT_ONCE = 64
TEXTS_OF_A_QUERY = 8
"""So many texts or fewer are read together with those of others who wait; more make passes of their own."""
CLIPS_AT_ONCE = 16
IMAGES_AT_ONCE = 16
TEXTS_REMEMBERED = 20_000
"""Embeddings of the last texts are kept, 30 MB at most: people ask the same things in many ways."""

Space = Literal["shared", "text"]
"""The space of a text's embedding: that of sounds and pictures, or the text space, into which the heads are trained."""
AnyPart = TypeVar("AnyPart", bound=Part)


class Cacara:
    """A frozen multilingual text tower and an audio tower aligned to it on English captions.

    After "CACARA: Cross-Modal Alignment Leveraging a Text-Centric Approach" (arXiv 2512.00496): only the audio side
    was trained, on English only; other languages follow because the text tower already holds them together.
    """

    def __init__(
        self,
        config: ModelConfig,
        towers: Towers,
        parts: Iterable[Part],
        fingerprint: str,
        device: torch.device,
        precision: str = "float32",
        folder: Path | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        """Put towers and parts together; ``checkpoint.load`` does it from a folder.

        Args:
            config: Configuration of the checkpoint.
            towers: The frozen text tower, the audio tower, and the image tower of a model that knows pictures.
            parts: All that lies between the towers and the shared space, in any order.
            fingerprint: Hash of config and weights: equal fingerprints give equal embeddings, save of texts that are
                read by acquirers, which come and go.
            device: Device to compute on.
            precision: One of ``devices.PRECISIONS``.
            folder: The model folder that it was read from; None for one that was put together in memory.
            calibration: Calibration of the scores; None for a model whose scores nobody measured.
        """
        self.config = config
        self.folder = folder
        self.text = towers.text.to(device).eval()
        self.audio = towers.audio.to(device).eval()
        self.image = towers.image if towers.image is None else towers.image.to(device).eval()
        self.parts = table.in_order(part.to(device).eval() for part in parts)
        self.fingerprint = fingerprint
        self.device = device
        self.precision = precision
        self.calibration = calibration
        self._lock = threading.Lock()
        self._remembered: dict[str, np.ndarray] = {}
        self._queue = TextQueue(TEXTS_AT_ONCE)

    def part(self, kind: type[AnyPart]) -> AnyPart | None:
        """Return the model's part of a kind, such as ``ClassProfile``; None where it has none."""
        return next((part for part in self.parts if isinstance(part, kind)), None)

    def with_parts(self, *parts: Part) -> Cacara:
        """Return this model, uncalibrated, with other parts in place of its own of their kinds; towers are shared."""
        made = copy.copy(self)
        made.calibration = None
        kinds = {type(part) for part in parts}
        kept = (part for part in self.parts if type(part) not in kinds)
        made.parts = table.in_order([*kept, *(part.to(self.device).eval() for part in parts)])
        made.folder = None
        return made

    def push_to_hub(self, repository: str, *, private: bool = False, token: str | None = None) -> str:
        """Push the model folder that this model was loaded from to the Hugging Face Hub (``cacara.model.hub.push``).

        Args:
            repository: ``OWNER/NAME``; made when it does not exist.
            private: Make a new repository private.
            token: Of an account that may write there; ``HF_TOKEN`` or the stored one when None.

        Returns:
            The address that ``cacara.load`` takes, pinned to the new commit.

        Raises:
            CheckpointError: The model was put together in memory, or the Hub refuses it or cannot be reached.
        """
        if self.folder is None:
            raise CheckpointError(
                f"{self.name} was put together in memory; wanted a model that was loaded from a folder"
            )
        return hub.push(self.folder, repository, private=private, token=token)

    @property
    def towers(self) -> Towers:
        """Its towers."""
        return Towers(self.text, self.audio, self.image)

    @property
    def head(self) -> AudioHead:
        """The audio head."""
        return self._required(AudioHead)

    @property
    def centring(self) -> LanguageCentring:
        """The languages' means."""
        return self._required(LanguageCentring)

    @property
    def image_head(self) -> ImageHead | None:
        """The image head; None for a model that knows no pictures."""
        return self.part(ImageHead)

    @property
    def heads(self) -> tuple[AnchoredHead, ...]:
        """The audio head, and the image head of a model that knows pictures."""
        return tuple(part for part in self.parts if isinstance(part, AnchoredHead))

    def _required(self, kind: type[AnyPart]) -> AnyPart:
        found = self.part(kind)
        assert found is not None, f"{self.config.name} was put together without {kind.title}"
        return found

    @property
    def name(self) -> str:
        """The model's name, e.g. ``cacara``."""
        return self.config.name

    @property
    def version(self) -> str:
        """The version of its weights."""
        return self.config.version

    @property
    def dimension(self) -> int:
        """Width of the shared space."""
        return self.config.dimension

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages it has statistics for; it answers in others too."""
        return self.config.languages

    @property
    def read_by_parts(self) -> tuple[str, ...]:
        """Languages whose texts a part reads in place of the text tower, such as acquirers."""
        return tuple(dict.fromkeys(code for part in self.parts for code in part.reads))

    def encode_text(
        self,
        texts: Sequence[str],
        languages: str | Sequence[str | None] | None = None,
        *,
        centre: bool | None = None,
        space: Space = "shared",
    ) -> np.ndarray:
        """Embed texts.

        A text goes through the text tower, unless a part reads its language itself, as acquirers do, and then through
        the parts in their order. Spellings that mean the same are read as one, see ``languages.spelling``.

        Args:
            texts: Any number of non-empty texts.
            languages: One BCP-47 code for all, one a text, or None: then each text's language is detected,
                and where no language is certain enough the mean of all languages is used, and what its words mean in
                the probable ones is weighed.
            centre: Whether to centre by language; None does what the checkpoint says.
            space: ``shared`` with sounds and pictures; or the ``text`` space, without the parts that lead out of it,
                such as class profiles.

        Returns:
            float32 [texts, dimension], L2-normalised; as wide as the text tower's embeddings in the ``text`` space.

        Raises:
            QueryError: A text is blank, or there are not as many languages as texts.
        """
        if isinstance(texts, str):
            raise QueryError("encode_text wants a list of texts, found a single string")
        if blank := [position for position, text in enumerate(texts) if not text.strip()]:
            raise QueryError(f"text {blank[0]} of {len(texts)} is blank; wanted some words")
        known = self._languages_of(texts, languages)
        texts = [spelling.plain(text, code) for text, code in zip(texts, known, strict=True)]
        if not texts:
            return np.zeros((0, self.dimension if space == "shared" else self.config.text_width), np.float32)
        raw = self._read([spelling.fold(text, code) for text, code in zip(texts, known, strict=True)], known)
        with torch.inference_mode():
            embeddings = torch.from_numpy(raw).to(self.device)
            english = functools.partial(self.encode_text, languages="en", centre=centre, space="text")
            batch = TextBatch(embeddings, texts, known, self.config.centring if centre is None else centre, english)
            for part in self.parts:
                if space == "shared" or not part.leaves_text_space:
                    batch = part.texts(batch)
            return batch.embeddings.cpu().numpy()

    def text_space(self, texts: np.ndarray) -> np.ndarray:
        """Return texts of the shared space as they are compared with one another: without class profiles.

        Args:
            texts: float32 [texts, dimension], what ``encode_text`` returned for the ``shared`` space.

        Returns:
            float32 [texts, width], L2-normalised: what ``encode_text`` returns for the ``text`` space. uCLIP's texts
            stay where they are: its own space is the one in which they were trained to meet.
        """
        for part in reversed(self.parts):
            texts = part.text_space(texts)
        return texts

    def _read(self, texts: Sequence[str], known: list[str | None]) -> np.ndarray:
        """Return texts as the text tower, or a part in its place, reads them; in ``known`` the latter become English.

        Returns:
            float32 [texts, width of the text tower].
        """
        found: dict[int, np.ndarray] = {}
        for part in self.parts:
            with torch.inference_mode(), devices.precision(self.precision, self.device):
                taken = part.read(texts, known)
            for position, embedding in taken.items():
                found[position], known[position] = embedding, "en"
        if not found:
            return self._embed_texts(texts)
        rest = [position for position in range(len(texts)) if position not in found]
        embeddings = np.zeros((len(texts), self.text.dimension), np.float32)
        embeddings[rest] = self._embed_texts([texts[position] for position in rest])
        embeddings[list(found)] = np.stack(list(found.values()))
        return embeddings

    def _embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the text tower's embeddings, float32 [texts, dimension]; each text goes through it once."""
        with self._lock:
            found = {text: self._remembered[text] for text in texts if text in self._remembered}
        # Texts of like length share a batch: less padding.
        fresh = sorted({text for text in texts if text not in found}, key=lambda text: (len(text), text))
        if 0 < len(fresh) <= TEXTS_OF_A_QUERY:
            found.update(self._queue.read(fresh, self._pass))
        else:
            for start in range(0, len(fresh), TEXTS_AT_ONCE):
                found.update(self._pass(fresh[start : start + TEXTS_AT_ONCE]))
        with self._lock:
            self._remembered.update((text, found[text]) for text in fresh)
            for text in list(itertools.islice(self._remembered, max(0, len(self._remembered) - TEXTS_REMEMBERED))):
                del self._remembered[text]
        return np.stack([found[text] for text in texts]) if texts else np.zeros((0, self.text.dimension), np.float32)

    def _pass(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Return what the text tower makes of a few texts, in one pass."""
        texts = sorted(texts, key=len)  # pieces of like length need less padding
        tokens = self.text.tokenize(texts)
        with torch.inference_mode(), devices.precision(self.precision, self.device):
            batch = self.text.read(**{name: value.to(self.device) for name, value in tokens.items()})
        return dict(zip(texts, batch.float().cpu().numpy(), strict=True))

    def encode_audio(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Embed sounds.

        Args:
            waveforms: float32 [samples] each, mono at 16 kHz; loudness does not matter.

        Returns:
            float32 [clips, dimension], L2-normalised.

        Raises:
            AudioError: A waveform is empty, not one-dimensional, or not finite.
        """
        parts = [np.zeros((0, self.dimension), np.float32)]
        parts += [self.place_heard(heard) for heard in self.hear(waveforms)]
        return np.concatenate(parts)

    def encode_sound(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embed one sound, and say what its classes are, in one pass of the audio tower.

        Args:
            waveform: As those of ``encode_audio``.

        Returns:
            The embedding that ``encode_audio`` returns, float32 [dimension], and the mean over the sound's patches of
            the probability of each class of the tower, float32 [classes].

        Raises:
            AudioError: The waveform is empty, not one-dimensional, or not finite.
        """
        with torch.inference_mode(), devices.precision(self.precision, self.device):
            patches = self.audio.hear_patches([waveform])
            heard, classes = self.audio.pool(patches), patches[0][1].mean(0)
        return self.place_heard(heard)[0], classes.cpu().numpy()

    def hear(self, waveforms: Sequence[np.ndarray]) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield what the audio tower alone makes of sounds, a batch at a time; ``place_heard`` does the rest.

        Models that share a tower can share this.

        Raises:
            AudioError: A waveform is empty, not one-dimensional, or not finite.
        """
        for start in range(0, len(waveforms), CLIPS_AT_ONCE):
            with torch.inference_mode(), devices.precision(self.precision, self.device):
                heard = self.audio.hear(waveforms[start : start + CLIPS_AT_ONCE])
            yield heard

    def place_heard(self, heard: tuple[torch.Tensor, ...]) -> np.ndarray:
        """Return the embeddings of a batch that ``hear`` yielded, float32 [clips, dimension], L2-normalised."""
        with torch.inference_mode(), devices.precision(self.precision, self.device):
            placed = self.head(*heard).float()
        with torch.inference_mode():
            return behind_head(self.parts, placed, heard[1]).cpu().numpy()

    @property
    def sees(self) -> bool:
        """Whether it knows pictures."""
        return self.image is not None

    def encode_image(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Embed pictures.

        Args:
            images: uint8 [height, width, 3] each, RGB, of any sizes; ``images.load`` reads them from files.

        Returns:
            float32 [images, dimension], L2-normalised.

        Raises:
            QueryError: The model knows no pictures.
            ImageError: Something is not uint8 [height, width, 3], or has no pixels.
        """
        parts = [np.zeros((0, self.dimension), np.float32)]
        parts += [self.place_seen(seen) for seen in self.see(images)]
        return np.concatenate(parts)

    def see(self, images: Sequence[np.ndarray]) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield what the image tower alone makes of pictures, a batch at a time; ``place_seen`` does the rest.

        Raises:
            QueryError: The model knows no pictures.
            ImageError: Something is not uint8 [height, width, 3], or has no pixels.
        """
        if self.image is None:
            raise QueryError(
                f"the model {self.name} knows no pictures; wanted one with an image head "
                "(python -m training image_alignment adds it)"
            )
        for start in range(0, len(images), IMAGES_AT_ONCE):
            with torch.inference_mode(), devices.precision(self.precision, self.device):
                seen = self.image(images[start : start + IMAGES_AT_ONCE])
            yield seen

    def place_seen(self, seen: tuple[torch.Tensor, ...]) -> np.ndarray:
        """Return the embeddings of a batch that ``see`` yielded, float32 [pictures, dimension], L2-normalised."""
        with torch.inference_mode(), devices.precision(self.precision, self.device):
            placed = self._required(ImageHead)(*seen).float()
        with torch.inference_mode():
            return behind_head(self.parts, placed, None).cpu().numpy()

    def known_texts(self) -> dict[str, np.ndarray]:
        """Return the texts that it remembers with what the text tower made of them, before centring."""
        with self._lock:
            return dict(self._remembered)

    def learn_texts(self, embeddings: Mapping[str, np.ndarray]) -> None:
        """Remember texts that an equal text tower has embedded, as ``known_texts`` gave them."""
        with self._lock:
            self._remembered.update(embeddings)

    def forget_texts(self, texts: Iterable[str]) -> None:
        """Forget texts, as the text tower reads them, so that each goes through it once more."""
        with self._lock:
            for text in texts:
                self._remembered.pop(text, None)

    def share_towers(self, other: Cacara) -> None:
        """Use the towers of another model where their weights are equal, and remember texts together with it.

        Nothing changes but memory and time: a text that either has embedded is not embedded again.
        """
        if (self.device, self.precision) != (other.device, other.precision):
            return
        if self.config.text == other.config.text and _equal_weights(self.text, other.text):
            self.text, self._queue = other.text, other._queue
            self._remembered, self._lock = other._remembered, other._lock
        ours, theirs = ((model.config.audio.backbone, model.config.audio.patch_pooling) for model in (self, other))
        if ours == theirs and _equal_weights(self.audio, other.audio):
            self.audio = other.audio
        if self.image is not None and other.image is not None and _equal_weights(self.image, other.image):
            self.image = other.image

    def variant(self, name: str) -> Cacara:
        """Return this model with a part of it alone, for comparison; towers are shared.

        Args:
            name: Of the audio side ``untrained`` (class anchor and profile), ``anchor`` (alone), ``projection`` (alone)
                or ``unprofiled`` (anchor and projection); or ``native``: without acquirers, so that every text goes
                through the text tower.

        Raises:
            QueryError: Unknown name, ``native`` of a model that has no acquirers, or ``unprofiled`` of one that has no
                class profiles.
        """
        if name not in table.VARIANTS:
            raise QueryError(f"unknown variant {name!r}; wanted one of {', '.join(table.VARIANTS)}")
        kind = next(kind for kind in table.PARTS if name in kind.variants)
        if self.part(kind) is None:
            raise QueryError(f"{self.name} has no {kind.title}, so there is no variant {name!r}")
        made = copy.copy(self)
        made.parts = tuple(kept for part in self.parts if (kept := part.variant(name)) is not None)
        made.config = dataclasses.replace(self.config, audio=made.head.config)
        made.fingerprint = f"{self.fingerprint}-{name}"
        made.folder = None
        made.calibration = None
        return made

    def detect(self, text: str) -> Detection:
        """Return the language of a text, or none: by its letters, and by its words where the model remembers some."""
        memory, text = self.part(LexicalMemory), spelling.plain(text)
        return language_codes.detect(text) if memory is None else memory.detect(text)

    def look_up(self, text: str, language: str | None) -> tuple[Found, ...]:
        """Return which words of a text the model's lexical memory knows and as what; none of English, or without one.

        Args:
            text: Any text.
            language: BCP-47 code, or None where it is not known: then the surest reading counts.
        """
        memory = self.part(LexicalMemory)
        return () if memory is None else memory.look_up(spelling.plain(text, language), language)

    def follow_words(self, words: WordSource | None) -> None:
        """Let the lexical memory heed words that people taught, as they stand with each text; None for the table alone.

        A model without a lexical memory is left as it is.
        """
        if (memory := self.part(LexicalMemory)) is not None:
            memory.personal = words

    def with_words(self, words: Iterable[PersonalWord]) -> Cacara:
        """Return this model heeding these words and no others that people taught; towers and all else are shared."""
        memory = self.part(LexicalMemory)
        return self if memory is None else self.with_parts(memory.heeding(FixedWords(tuple(words))))

    @property
    def personal_words(self) -> tuple[PersonalWord, ...]:
        """The words that people taught, as they stand now; the same tuple as long as they have not changed."""
        memory = self.part(LexicalMemory)
        return () if memory is None or memory.personal is None else memory.personal.read()

    @property
    def text_fingerprint(self) -> str:
        """The fingerprint, with a digest of the words that people taught: equal ones give texts equal embeddings."""
        words = self.personal_words
        if not words:
            return self.fingerprint
        digest = hashlib.sha256("".join(word.word_id for word in words).encode()).hexdigest()
        return f"{self.fingerprint}+{digest[:12]}"

    def prepare(self, report: Report = silent) -> None:
        """Make what parts would otherwise make query by query, once, and keep it between runs.

        Args:
            report: Told of the progress.
        """
        for part in self.parts:
            part.make_ready(functools.partial(self.encode_text, languages="en", space="text"), report)

    def _languages_of(self, texts: Sequence[str], given: str | Sequence[str | None] | None) -> list[str | None]:
        if given is None:
            memory = self.part(LexicalMemory)
            found = [spelling.plain(text) for text in texts]
            return [language_codes.detect(text).language if memory is None else memory.assume(text) for text in found]
        known = [given] * len(texts) if isinstance(given, str) else list(given)
        if len(known) != len(texts):
            raise QueryError(f"{len(known)} languages for {len(texts)} texts; wanted as many, or one for all")
        return [code if code is None else language_codes.normalise(code) for code in known]


def _equal_weights(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return (
        type(first) is type(second)
        and ours.keys() == theirs.keys()
        and all(torch.equal(value, theirs[name]) for name, value in ours.items())
    )
