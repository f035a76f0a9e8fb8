"""The model that users meet: texts of any language and sounds in one space."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch

from cacara import devices
from cacara import languages as language_codes
from cacara.encoders.audio import AudioTower
from cacara.encoders.text import TextTower
from cacara.errors import QueryError
from cacara.model.config import ModelConfig
from cacara.model.parts.acquirers import Acquirers
from cacara.model.parts.heads import AudioHead, LanguageCentring
from cacara.model.parts.image_encoder import ImageEncoder
from cacara.model.parts.profile import ClassProfile
from cacara.model.parts.projectors import Projectors

TEXTS_AT_ONCE = 64
CLIPS_AT_ONCE = 16
IMAGES_AT_ONCE = 16
TEXTS_REMEMBERED = 20_000
"""Embeddings of the last texts are kept, 30 MB at most: people ask the same things in many ways."""


class Cacara:
    """A frozen multilingual text tower and an audio tower aligned to it on English captions.

    After "CACARA: Cross-Modal Alignment Leveraging a Text-Centric Approach" (arXiv 2512.00496): only the audio side
    was trained, on English only; other languages follow because the text tower already holds them together.
    """

    def __init__(
        self,
        config: ModelConfig,
        text: TextTower,
        audio: AudioTower,
        head: AudioHead,
        centring: LanguageCentring,
        fingerprint: str,
        device: torch.device,
        precision: str = "float32",
        image: ImageEncoder | None = None,
        text_map: torch.nn.Linear | None = None,
        acquirers: Acquirers | None = None,
        projectors: Projectors | None = None,
        profile: ClassProfile | None = None,
    ) -> None:
        """Put the parts together; ``checkpoint.load`` does it from a folder.

        Args:
            config: What the checkpoint says of itself.
            text: The frozen text tower.
            audio: The audio tower.
            head: From the audio tower's output into the text space.
            centring: The languages' means.
            fingerprint: Hash of config and weights: equal fingerprints give equal embeddings, save of texts that are
                read by acquirers, which come and go.
            device: Where to compute.
            precision: One of ``devices.PRECISIONS``.
            image: The image tower and its head; None for a model that knows no pictures.
            text_map: A trained layer behind the text tower and the centring; None where there is none.
            acquirers: Of the languages that the text tower, on ``device`` already, does not know; None for none.
            projectors: uCLIP's heads, behind the text tower and behind the audio and image heads; None for none.
            profile: The class profiles beside the text space; None for none.
        """
        self.config = config
        self.text = text.to(device).eval()
        self.audio = audio.to(device).eval()
        self.head = head.to(device).eval()
        self.centring = centring.to(device).eval()
        self.image = image if image is None else image.to(device).eval()
        self.text_map = text_map if text_map is None else text_map.to(device).eval()
        self.acquirers = acquirers
        self.projectors = projectors if projectors is None else projectors.to(device).eval()
        self.profile = profile if profile is None else profile.to(device).eval()
        self.fingerprint = fingerprint
        self.device = device
        self.precision = precision
        self._lock = threading.Lock()
        self._remembered: dict[str, np.ndarray] = {}

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

    def encode_text(
        self,
        texts: Sequence[str],
        languages: str | Sequence[str | None] | None = None,
        *,
        centre: bool | None = None,
        profiled: bool = True,
    ) -> np.ndarray:
        """Embed texts.

        With acquirers, a text of a language that has them goes through them, and every other text, English ones and
        those of unknown languages among them, through the text tower alone. What has been acquired lies where English
        does and is centred as English is.

        Args:
            texts: Any number of non-empty texts.
            languages: One BCP-47 code for all, one a text, or None: then each text's language is detected,
                and where the detector abstains the mean of all languages is used.
            centre: Whether to centre by language; None does what the checkpoint says.
            profiled: Whether to put the class profiles beside, where the model has them; without them an embedding
                lies in the text space, into which the heads are trained.

        Returns:
            float32 [texts, dimension], L2-normalised; as wide as the text space without profiles.

        Raises:
            QueryError: A text is blank, or there are not as many languages as texts.
        """
        if isinstance(texts, str):
            raise QueryError("encode_text wants a list of texts, found a single string")
        if blank := [position for position, text in enumerate(texts) if not text.strip()]:
            raise QueryError(f"text {blank[0]} of {len(texts)} is blank; wanted some words")
        known = self._languages_of(texts, languages)
        raw = self._embed_texts(texts) if self.acquirers is None else self._embed_routed(self.acquirers, texts, known)
        centred = self.config.centring if centre is None else centre
        profile = self.profile if profiled else None
        if not texts:
            return np.zeros((0, self.dimension if profiled else self.config.text_width), np.float32)
        if not (centred or self.text_map or self.projectors or profile):
            return raw
        with torch.inference_mode():
            embeddings = torch.from_numpy(raw).to(self.device)
            if centred:
                embeddings = self.centring(embeddings, known)
            if self.text_map is not None:
                embeddings = torch.nn.functional.normalize(self.text_map(embeddings), dim=-1)
            if self.projectors is not None:
                embeddings = self.projectors.text(embeddings)
            if profile is not None:
                embeddings = profile.texts(embeddings)
            return embeddings.cpu().numpy()

    def _embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the text tower's embeddings, float32 [texts, dimension]; each text goes through it once."""
        with self._lock:
            found = {text: self._remembered[text] for text in texts if text in self._remembered}
        # Texts of like length share a batch: less padding.
        fresh = sorted({text for text in texts if text not in found}, key=lambda text: (len(text), text))
        for start in range(0, len(fresh), TEXTS_AT_ONCE):
            chosen = fresh[start : start + TEXTS_AT_ONCE]
            tokens = self.text.tokenize(chosen)
            with torch.inference_mode(), devices.precision(self.precision, self.device):
                batch = self.text.read(**{name: value.to(self.device) for name, value in tokens.items()})
            found.update(zip(chosen, batch.float().cpu().numpy(), strict=True))
        with self._lock:
            self._remembered.update((text, found[text]) for text in fresh)
            for text in list(itertools.islice(self._remembered, max(0, len(self._remembered) - TEXTS_REMEMBERED))):
                del self._remembered[text]
        return np.stack([found[text] for text in texts]) if texts else np.zeros((0, self.text.dimension), np.float32)

    def _embed_routed(self, acquirers: Acquirers, texts: Sequence[str], known: list[str | None]) -> np.ndarray:
        """Return texts as the tower, or their language's acquirers, give them; in ``known`` the latter become English.

        Returns:
            float32 [texts, dimension].
        """
        places: dict[str | None, list[int]] = {}
        for position, language in enumerate(known):
            places.setdefault(acquirers.route(language), []).append(position)
        embeddings = np.zeros((len(texts), self.text.dimension), np.float32)
        for route, positions in places.items():
            if route is None:
                embeddings[positions] = self._embed_texts([texts[position] for position in positions])
                continue
            positions.sort(key=lambda position: (len(texts[position]), texts[position]))
            for start in range(0, len(positions), TEXTS_AT_ONCE):
                chosen = positions[start : start + TEXTS_AT_ONCE]
                with torch.inference_mode(), devices.precision(self.precision, self.device):
                    batch = acquirers.embed([texts[position] for position in chosen], route)
                embeddings[chosen] = batch.float().cpu().numpy()
            for position in positions:
                known[position] = "en"
        return embeddings

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
            placed = self.head(*heard)
            placed = (placed if self.projectors is None else self.projectors.dual(placed)).float()
        with torch.inference_mode():
            return self.with_profiles(placed, heard[1]).cpu().numpy()

    def with_profiles(self, placed: torch.Tensor, probabilities: torch.Tensor | None) -> torch.Tensor:
        """Return what a head made of sounds or pictures as wide as the shared space, L2-normalised.

        Args:
            placed: float32 [items, width of the text space], L2-normalised.
            probabilities: Of sounds float32 [sounds, classes]; None for pictures, whose profile is zero.
        """
        if self.profile is None:
            return placed
        return self.profile.without(placed) if probabilities is None else self.profile.sounds(placed, probabilities)

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
        if self.image is None:
            raise QueryError(
                f"the model {self.name} knows no pictures; wanted one with an image head "
                "(python -m training image_alignment adds it)"
            )
        parts = [np.zeros((0, self.dimension), np.float32)]
        for start in range(0, len(images), IMAGES_AT_ONCE):
            with torch.inference_mode(), devices.precision(self.precision, self.device):
                seen = self.image(images[start : start + IMAGES_AT_ONCE])
                placed = (seen if self.projectors is None else self.projectors.dual(seen)).float()
            parts.append(self.with_profiles(placed, None).cpu().numpy())
        return np.concatenate(parts)

    def known_texts(self) -> dict[str, np.ndarray]:
        """Return the texts that it remembers with what the text tower made of them, before centring."""
        with self._lock:
            return dict(self._remembered)

    def learn_texts(self, embeddings: Mapping[str, np.ndarray]) -> None:
        """Remember texts that an equal text tower has embedded, as ``known_texts`` gave them."""
        with self._lock:
            self._remembered.update(embeddings)

    def forget_texts(self, texts: Iterable[str]) -> None:
        """Forget texts, so that each goes through the text tower once more."""
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
            self.text, self._remembered, self._lock = other.text, other._remembered, other._lock
        ours, theirs = ((model.config.audio.backbone, model.config.audio.patch_pooling) for model in (self, other))
        if ours == theirs and _equal_weights(self.audio, other.audio):
            self.audio = other.audio

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
        ours = self.config.audio
        shares = {
            "untrained": (0.0, 1.0),
            "anchor": (0.0, 1.0),
            "projection": (1.0, 0.0),
            "unprofiled": (ours.projection_weight, ours.anchor_weight),
            "native": (ours.projection_weight, ours.anchor_weight),
        }
        if name not in shares:
            raise QueryError(f"unknown variant {name!r}; wanted one of {', '.join(shares)}")
        if name == "native" and self.acquirers is None:
            raise QueryError(f"{self.name} has no language acquirers, so there is no variant 'native'")
        if name == "unprofiled" and self.profile is None:
            raise QueryError(f"{self.name} has no class profiles, so there is no variant 'unprofiled'")
        projection, anchor = shares[name]
        audio_config = dataclasses.replace(ours, projection_weight=projection, anchor_weight=anchor)
        head = AudioHead(audio_config, self.audio.features, self.audio.classes, self.config.media_width)
        head.load_state_dict(self.head.state_dict())
        made = Cacara(
            dataclasses.replace(self.config, audio=audio_config),
            self.text,
            self.audio,
            head,
            self.centring,
            f"{self.fingerprint}-{name}",
            self.device,
            self.precision,
            self.image,
            self.text_map,
            None if name == "native" else self.acquirers,
            self.projectors,
            self.profile.of_texts_alone()
            if self.profile and name in ("anchor", "projection", "unprofiled")
            else self.profile,
        )
        made._remembered, made._lock = self._remembered, self._lock
        return made

    def _languages_of(self, texts: Sequence[str], given: str | Sequence[str | None] | None) -> list[str | None]:
        if given is None:
            return [language_codes.detect(text).language for text in texts]
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
