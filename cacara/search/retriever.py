"""Search a gallery by text, by sound or by picture."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import logging
import numbers
import os
import unicodedata
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cacara import languages, sources
from cacara.errors import AudioError, GalleryError, ImageError, QueryError
from cacara.media import audio, images
from cacara.model.model import Cacara
from cacara.search.gallery import Gallery
from cacara.search.index import ExactIndex
from cacara.search.manifest import Clip
from cacara.sources.clients import Progress, Report, silent

MAX_QUERY_CHARACTERS = 2_000
MAX_HITS = 100

TARGETS = ("audio", "text", "image")

# Embeddings, isolates, overrides and their ends: they order letters on a screen and say nothing.
_DIRECTIONS = frozenset("LRE RLE PDF LRO RLO LRI RLI FSI PDI".split())

# What numpy and zipfile raise at a damaged file.
_UNREADABLE = (OSError, ValueError, LookupError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Hit:
    """One result.

    Attributes:
        rank: 1 for the best.
        clip_id: The sound or picture found, or the sound that the found text describes.
        score: Cosine similarity, -1 to 1.
        text: A description of the clip in the language of the search.
    """

    rank: int
    clip_id: str
    score: float
    text: str


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found and how.

    Attributes:
        hits: Best first.
        language: The language that the query was taken to be in (of a sound: that of the descriptions), or None.
        language_source: ``chosen``, ``detected``, ``unknown`` (the detector abstained), ``audio`` or ``image``.
        model: The name of the model that answered.
        model_version: Its version.
        notes: Sentences for the user, e.g. that only the beginning of a recording was used.
    """

    hits: tuple[Hit, ...]
    language: str | None
    language_source: str
    model: str
    model_version: str
    notes: tuple[str, ...] = ()


class Retriever:
    """A gallery embedded by a model, ready to be searched; safe for use by several threads."""

    def __init__(self, model: Cacara, gallery: Gallery, report: Report = silent) -> None:
        """Embed the gallery, or read its embeddings when this model embedded these sounds before.

        Args:
            model: The model.
            gallery: At least one clip.
            report: Told of the progress.

        Raises:
            GalleryError: The gallery is empty, or none of its sounds can be read.
        """
        self.model = model
        seen = gallery.pictures if model.sees else ()
        embeddings = _embed_clips(model, gallery.name, (*gallery.clips, *seen), report)
        clips = tuple(clip for clip in gallery.clips if clip.clip_id in embeddings)
        pictures = tuple(picture for picture in seen if picture.clip_id in embeddings)
        if not clips:
            raise GalleryError(f"none of the {len(gallery.clips)} sounds of gallery {gallery.name!r} can be read")
        self.gallery = dataclasses.replace(gallery, clips=clips, pictures=pictures)
        self._clips = {clip.clip_id: clip for clip in (*clips, *pictures)}
        self._sounds = _index(clips, embeddings)
        self._pictures = _index(pictures, embeddings) if pictures else None
        self._languages = frozenset(self.gallery.languages)
        self._texts: dict[str, ExactIndex] = {}
        self._whole: Retriever | None = None

    @property
    def sees(self) -> bool:
        """Whether pictures can be found, and asked with."""
        return self._pictures is not None

    @property
    def sounds(self) -> ExactIndex:
        """The gallery's sounds with their embeddings, by clip id."""
        return self._sounds

    def has(self, clip_id: str) -> bool:
        """Return whether the gallery has a sound or a picture of this id."""
        return clip_id in self._clips

    def clip(self, clip_id: str) -> Clip:
        """Return a sound or a picture of the gallery.

        Raises:
            GalleryError: There is no such clip.
        """
        if not self.has(clip_id):
            raise GalleryError(f"no clip {clip_id!r:.100} in gallery {self.gallery.name!r}")
        return self._clips[clip_id]

    def embeddings(self, clip_ids: Sequence[str]) -> np.ndarray:
        """Return the embeddings of sounds and pictures of the gallery, float32 [clips, dimension], L2-normalised.

        Raises:
            GalleryError: There is no such clip.
        """
        rows: dict[str, np.ndarray] = {}
        for index in filter(None, (self._sounds, self._pictures)):
            rows.update(zip(index.ids, index.embeddings, strict=True))
        wanted = [rows[self.clip(clip_id).clip_id] for clip_id in clip_ids]
        return np.stack(wanted) if wanted else np.zeros((0, self.model.dimension), np.float32)

    def search_text(
        self, query: str, language: str | None = None, top_k: int = 10, target: str = "audio"
    ) -> SearchResult:
        """Return the sounds (or pictures, or descriptions) that are nearest to a text.

        Args:
            query: 1 to 2,000 characters with at least one letter, digit or symbol.
            language: BCP-47 code of the query; None detects it.
            top_k: 1 to 100.
            target: ``audio`` for sounds, ``text`` for descriptions.

        Raises:
            QueryError: The query, ``top_k`` or ``target`` is unfit.
            LanguageError: ``language`` is no language code.
        """
        query = clean_query(query)
        top_k = _checked_top_k(top_k)
        chosen = languages.normalise(language) if language else None
        found = chosen or languages.detect(query).language
        embedding = self.model.encode_text([query], [found])
        how = "chosen" if chosen else "detected" if found else "unknown"
        hits = self._search(embedding, top_k, target, found or "en")
        return SearchResult(hits, found, how, self.model.name, self.model.version)

    def search_audio(
        self, waveform: np.ndarray, top_k: int = 10, target: str = "audio", language: str | None = None
    ) -> SearchResult:
        """Return the sounds that resemble a sound, or the pictures or descriptions that fit it.

        Args:
            waveform: float32 [samples], mono at 16 kHz.
            top_k: 1 to 100.
            target: ``audio`` for sounds, ``text`` for descriptions.
            language: BCP-47 code of the descriptions; None means English.

        Raises:
            AudioError: The sound is empty, silent or not finite.
            QueryError: ``top_k`` or ``target`` is unfit.
            LanguageError: ``language`` is no language code.
        """
        top_k = _checked_top_k(top_k)
        words = languages.normalise(language) if language else "en"
        embedding = self.model.encode_audio([waveform])  # first, as it tells what is no sound from what is silent
        audio.check_audible(waveform)
        hits = self._search(embedding, top_k, target, words)
        return SearchResult(hits, words, "audio", self.model.name, self.model.version)

    def search_image(
        self,
        image: np.ndarray | Sequence[np.ndarray],
        top_k: int = 10,
        target: str = "audio",
        language: str | None = None,
    ) -> SearchResult:
        """Return the sounds or descriptions that fit a picture, or the pictures that resemble it.

        Args:
            image: uint8 [height, width, 3], RGB; several, as of a video, are searched with by their mean.
            top_k: 1 to 100.
            target: ``audio`` for sounds, ``image`` for pictures, ``text`` for descriptions.
            language: BCP-47 code of the descriptions; None means English.

        Raises:
            ImageError: It is not uint8 [height, width, 3].
            QueryError: ``top_k`` or ``target`` is unfit, or the model knows no pictures.
            LanguageError: ``language`` is no language code.
        """
        top_k = _checked_top_k(top_k)
        words = languages.normalise(language) if language else "en"
        pictures = [image] if isinstance(image, np.ndarray) else list(image)
        if not pictures:
            raise QueryError("there are 0 pictures to search with; wanted at least one")
        embedding = self.model.encode_image(pictures).mean(axis=0, keepdims=True)
        hits = self._search(embedding, top_k, target, words)
        return SearchResult(hits, words, "image", self.model.name, self.model.version)

    def search_like(
        self, clip_id: str, top_k: int = 10, target: str = "audio", language: str | None = None
    ) -> SearchResult:
        """Return what is nearest to a sound or picture of the gallery, without itself.

        Args:
            clip_id: One of the gallery's.
            top_k: 1 to 100.
            target: ``audio`` for sounds, ``image`` for pictures.
            language: BCP-47 code of the descriptions; None means English.

        Raises:
            GalleryError: There is no such clip.
            QueryError: ``top_k`` or ``target`` is unfit, or the model knows no pictures.
            LanguageError: ``language`` is no language code.
        """
        top_k = _checked_top_k(top_k)
        words = languages.normalise(language) if language else "en"
        embedding = (self._whole or self).embeddings([clip_id])
        found = self._search(embedding, top_k + 1, target, words)
        others = [hit for hit in found if hit.clip_id != clip_id][:top_k]
        hits = tuple(dataclasses.replace(hit, rank=rank) for rank, hit in enumerate(others, start=1))
        how = "image" if self.clip(clip_id).kind == "image" else "audio"
        return SearchResult(hits, words, how, self.model.name, self.model.version)

    @property
    def licences(self) -> tuple[str, ...]:
        """The licences of the sounds and pictures, sorted."""
        return tuple(sorted({clip.licence for clip in self._clips.values()}))

    def limited_to(self, licence: str) -> Retriever:
        """Return this retriever over the sounds and pictures of one licence; there may be none."""
        made = copy.copy(self)
        kept = {clip_id: clip for clip_id, clip in self._clips.items() if clip.licence == licence}
        made.gallery = dataclasses.replace(
            self.gallery,
            clips=tuple(clip for clip in self.gallery.clips if clip.clip_id in kept),
            pictures=tuple(clip for clip in self.gallery.pictures if clip.clip_id in kept),
        )
        made._sounds = _subset(self._sounds, kept)
        made._pictures = None if self._pictures is None else _subset(self._pictures, kept)
        made._texts = {}
        made._whole = self
        return made

    def _search(self, embedding: np.ndarray, top_k: int, target: str, language: str) -> tuple[Hit, ...]:
        if target not in TARGETS:
            raise QueryError(f"unknown target {target!r:.40}; wanted one of {', '.join(TARGETS)}")
        if target == "image":
            if self._pictures is None:
                raise QueryError(f"no pictures can be searched: the model {self.model.name} or the gallery has none")
            index = self._pictures
        else:
            index = self._sounds if target == "audio" else self._descriptions(language)
        scores, positions = index.search(embedding, top_k)
        ids = [index.ids[position] for position in positions[0]]
        return tuple(
            Hit(rank, clip_id, float(score), self._clips[clip_id].caption(language))
            for rank, (clip_id, score) in enumerate(zip(ids, scores[0], strict=True), start=1)
        )

    def _descriptions(self, language: str) -> ExactIndex:
        """Return the index over one description a wording, in ``language`` where there is one."""
        # A language without descriptions shares an index: whatever codes are asked for, there are few.
        language = next((code for code in (language, language.split("-")[0]) if code in self._languages), "en")
        if language not in self._texts:
            first: dict[str, str] = {}
            for clip in self.gallery.clips:
                first.setdefault(clip.caption(language), clip.clip_id)
            spoken = [self._spoken(self._clips[clip_id], language) for clip_id in first.values()]
            self._texts[language] = ExactIndex(list(first.values()), self.model.encode_text(list(first), spoken))
        return self._texts[language]

    @staticmethod
    def _spoken(clip: Clip, language: str) -> str | None:
        """Return the language that ``clip.caption(language)`` is in; several may share a wording."""
        codes = (language, language.split("-")[0], "en", *clip.captions)
        return next((code for code in codes if clip.captions.get(code)), None)


def clean_query(query: str) -> str:
    """Return a query trimmed and in NFC, without control, direction and other unprintable characters.

    Raises:
        QueryError: It is not text, blank, too long, or only marks and spaces.
    """
    if not isinstance(query, str):
        raise QueryError(f"the query is a {type(query).__name__}; wanted text")
    if len(query) > MAX_QUERY_CHARACTERS:
        raise QueryError(f"the query has {len(query):,} characters; wanted at most {MAX_QUERY_CHARACTERS:,}")
    # Joiners (Cf) shape Persian, Hindi and emoji, so they stay; controls and lone surrogates go.
    kept = "".join(
        " " if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") else character
        for character in query
        if unicodedata.bidirectional(character) not in _DIRECTIONS
    )
    cleaned = " ".join(unicodedata.normalize("NFC", kept).split())
    if not any(unicodedata.category(character)[0] in "LNS" for character in cleaned):
        raise QueryError("the query is empty; type a word for the sound you are looking for, in any language")
    return cleaned


def _checked_top_k(top_k: int) -> int:
    known = isinstance(top_k, numbers.Real) and not isinstance(top_k, bool)
    if not known or not 1 <= top_k <= MAX_HITS or top_k != int(top_k):
        raise QueryError(f"top_k is {top_k!r:.40}; wanted a whole number from 1 to {MAX_HITS}")
    return int(top_k)


def _index(clips: Sequence[Clip], embeddings: Mapping[str, np.ndarray]) -> ExactIndex:
    ids = [clip.clip_id for clip in clips]
    return ExactIndex(ids, np.stack([embeddings[clip_id] for clip_id in ids]))


def _subset(index: ExactIndex, kept: Mapping[str, Clip]) -> ExactIndex:
    rows = [position for position, clip_id in enumerate(index.ids) if clip_id in kept]
    return ExactIndex([index.ids[row] for row in rows], index.embeddings[rows])


def _embed_clips(model: Cacara, name: str, clips: Sequence[Clip], report: Report) -> Mapping[str, np.ndarray]:
    """Return embeddings by clip id; sounds and pictures that cannot be read are left out and logged."""
    known = _read_cache(model)
    fresh: dict[str, np.ndarray] = {}
    embeddings: dict[str, np.ndarray] = {}
    for position, clip in enumerate(clips):
        embedding = known.get(clip.sha256)
        if embedding is None:
            report(Progress(name, "embed", position / len(clips)))
            try:
                embedding = _embed(model, clip)
            except (AudioError, ImageError) as error:
                log.warning("left out of the gallery: %s: %s", clip.clip_id, error)
                continue
            fresh[clip.sha256] = embedding
        embeddings[clip.clip_id] = embedding
    if fresh:
        _write_cache(model, {**known, **fresh})
    report(Progress(name, "ready", 1.0))
    return embeddings


def _embed(model: Cacara, clip: Clip) -> np.ndarray:
    if clip.kind == "image":
        return model.encode_image([images.load(clip.path, images.GALLERY_LIMITS)])[0]
    return model.encode_audio([audio.load(clip.path, audio.GALLERY_LIMITS).waveform])[0]


def _cache_path(model: Cacara) -> Path:
    precision = "" if model.precision == "float32" else f"-{model.precision}"
    return sources.cache_folder() / "embeddings" / f"{model.name}-{model.fingerprint}{precision}.npz"


def _read_cache(model: Cacara) -> dict[str, np.ndarray]:
    path = _cache_path(model)
    try:
        with path.open("rb") as file:  # numpy itself leaves a damaged archive open
            arrays = np.load(file, allow_pickle=False)
            hashes, embeddings = arrays["hashes"], arrays["embeddings"].astype(np.float32, copy=False)
        if embeddings.shape != (hashes.size, model.dimension) or not np.isfinite(embeddings).all():
            raise ValueError(f"they have the shape {embeddings.shape}, or are not finite")
        return dict(zip(hashes.tolist(), embeddings, strict=True))
    except FileNotFoundError:
        return {}
    except _UNREADABLE as error:
        log.warning("cached embeddings %s are unreadable and made anew: %s", path.name, error)
        return {}


def _write_cache(model: Cacara, embeddings: Mapping[str, np.ndarray]) -> None:
    path = _cache_path(model)
    partial = path.with_name(f"{path.stem}.{os.getpid()}.partial.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(partial, hashes=np.array(list(embeddings)), embeddings=np.stack(list(embeddings.values())))
        partial.replace(path)
    except OSError as error:  # a full or read-only disk costs time at the next start, nothing else
        log.warning("embeddings are not cached: %s", error)
        with contextlib.suppress(OSError):
            partial.unlink()
