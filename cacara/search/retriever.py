"""Retriever: a gallery embedded by a model, searched by text, by sound, by picture or by one of its own clips."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cacara.encoders.class_names import names_of
from cacara.errors import GalleryError, QueryError
from cacara.galleries.gallery import Gallery
from cacara.galleries.manifest import Clip
from cacara.lexicon import PersonalWord
from cacara.model.calibration import Curve
from cacara.model.model import Cacara
from cacara.model.parts.profile import ClassProfile
from cacara.search import embedding_cache, likelihood
from cacara.search.embedding import QueryEmbedding, embed
from cacara.search.engines import SearchIndex
from cacara.search.index import ExactIndex, Mask
from cacara.search.likelihood import ScoreSample
from cacara.search.request import SearchRequest, check_target
from cacara.sources.clients import Report, silent

CLASSES_TOLD = 3
CLEAR_SHARE = 0.5
"""A class is told that stands out half as far as the clearest one."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Hit:
    """One result.

    Attributes:
        rank: 1 for the best.
        clip_id: The sound or picture found, or the sound that the found text describes.
        score: Cosine similarity, -1 to 1.
        text: A description of the clip in the language of the search.
        probability: How likely it is right, 0 to 1, by the model's calibration; None where that does not say.
    """

    rank: int
    clip_id: str
    score: float
    text: str
    probability: float | None = None


class Retriever:
    """A gallery embedded by a model, ready to be searched; safe for use by several threads.

    A query is embedded once and looked for as often as one likes::

        query = retriever.embed(SearchRequest(text="der Hund bellt"))
        sounds, pictures = retriever.nearest(query, "audio"), retriever.nearest(query, "image")
    """

    def __init__(
        self, model: Cacara, gallery: Gallery, report: Report = silent, index: SearchIndex | None = None
    ) -> None:
        """Embed the gallery and prepare the model, or read what this model made before.

        Args:
            model: The model.
            gallery: At least one clip.
            report: Receives the progress.
            index: The sounds' embeddings by this model, in an engine that searches them; sounds of the gallery that
                it lacks are left out. None embeds the sounds and searches them in memory.

        Raises:
            GalleryError: The gallery is empty, none of its sounds can be read, or the index has none of them.
        """
        self.model = model
        seen = gallery.pictures if model.sees else ()
        heard = gallery.clips if index is None else ()
        embeddings = embedding_cache.embed_clips(model, gallery.name, (*heard, *seen), report)
        held = embeddings if index is None else frozenset(index.ids)
        clips = tuple(clip for clip in gallery.clips if clip.clip_id in held)
        pictures = tuple(picture for picture in seen if picture.clip_id in embeddings)
        if not clips:
            missing = "can be read" if index is None else "are in the index; wanted that of the gallery's folder"
            raise GalleryError(f"none of the {len(gallery.clips)} sounds of gallery {gallery.name!r} {missing}")
        if index is not None and len(clips) < len(gallery.clips):
            log.warning(
                "%d of %d sounds of gallery %r are not in the index and are not found; index the folder again",
                len(gallery.clips) - len(clips),
                len(gallery.clips),
                gallery.name,
            )
        model.prepare(report)
        self.gallery = dataclasses.replace(gallery, clips=clips, pictures=pictures)
        self._clips = {clip.clip_id: clip for clip in (*clips, *pictures)}
        self._sounds = _ClipIndex(_exact(clips, embeddings) if index is None else index, clips)
        self._pictures = _ClipIndex(_exact(pictures, embeddings), pictures) if pictures else None
        self._languages = frozenset(self.gallery.languages)
        self._texts: dict[tuple[str, bool], tuple[Sequence[PersonalWord], _ClipIndex]] = {}

    @property
    def sees(self) -> bool:
        """Whether pictures can be found; with pictures can be asked wherever the model knows them."""
        return self._pictures is not None

    @property
    def licences(self) -> tuple[str, ...]:
        """The licences of the sounds and pictures, sorted."""
        return tuple(sorted({clip.licence for clip in self._clips.values()}))

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

    def nearest_sounds(self, vectors: np.ndarray, top: int) -> list[list[tuple[str, float]]]:
        """Return (clip id, cosine) of the sounds nearest to each of many embeddings, best first.

        Args:
            vectors: float32 [queries, dimension].
            top: How many for each, at least 1.
        """
        return self._sounds.nearest(vectors, top)

    def embeddings(self, clip_ids: Sequence[str]) -> np.ndarray:
        """Return the embeddings of sounds and pictures of the gallery, float32 [clips, dimension], L2-normalised.

        Raises:
            GalleryError: There is no such clip.
        """
        rows = np.zeros((len(clip_ids), self.model.dimension), np.float32)
        pictured = [self.clip(clip_id).kind == "image" for clip_id in clip_ids]
        for own, kind in ((self._sounds, False), (self._pictures, True)):
            places = [place for place, picture in enumerate(pictured) if picture is kind]
            if own is not None and places:
                rows[places] = own.index.rows([clip_ids[place] for place in places])
        return rows

    def heard(self, clip_ids: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the classes that stand out of each sound, the clearest first, as AudioSet names them in English.

        They are read from the embeddings, so nothing is heard again; none where the model has no class profiles.

        Raises:
            GalleryError: There is no such clip.
        """
        profile = self.model.part(ClassProfile)
        if profile is None or not self._class_names or not clip_ids:
            return [() for _ in clip_ids]
        clear = profile.classes(self.embeddings(clip_ids))
        best = np.argsort(-clear, axis=1, kind="stable")[:, :CLASSES_TOLD]
        return [
            tuple(self._class_names[at] for at in row if values[at] >= CLEAR_SHARE * values[row[0]] > 0)
            for row, values in zip(best.tolist(), clear, strict=True)
        ]

    @functools.cached_property
    def _class_names(self) -> list[str]:
        return names_of(self.model.config.audio.backbone, self.model.audio)

    def embed(self, request: SearchRequest) -> QueryEmbedding:
        """Return a request's embedding, which every ``nearest`` for it takes; a tower works here or not at all.

        Raises:
            AudioError: A sound is empty, silent or not finite.
            ImageError: A picture is not uint8 [height, width, 3].
            GalleryError: What is asked with is no clip of the gallery.
            QueryError: The query is a picture and the model knows none.
        """
        if request.like is None:
            return embed(self.model, request)
        kind = "image" if self.clip(request.like).kind == "image" else "audio"
        return QueryEmbedding(request, self.embeddings([request.like])[0], request.language or "en", kind)

    def nearest(self, query: QueryEmbedding, target: str) -> tuple[Hit, ...]:
        """Return what lies nearest to a query, best first: as many hits, of the licence, as its request wants.

        Args:
            query: What ``embed`` returned.
            target: ``audio`` for sounds, ``image`` for pictures, ``text`` for descriptions of sounds.

        Raises:
            QueryError: ``target`` is unknown, or pictures are looked for where there are none.
        """
        check_target(target)
        if target == "image" and self._pictures is None:
            raise QueryError(f"no pictures can be searched: the model {self.model.name} or the gallery has none")
        language, request = query.language or "en", query.request
        vector, among_texts = query.vector[np.newaxis], target == "text" and request.text is not None
        if among_texts:
            vector = self.model.text_space(vector)
        described = self._descriptions(language, among_texts) if target == "text" else None
        rows = described or (self._sounds if target == "audio" else self._pictures)
        assert rows is not None, "pictures were looked for above"
        others = request.top + (request.like is not None)
        nearest = rows.nearest(vector, others, request.licence)[0]
        found = [pair for pair in nearest if pair[0] != request.like][: request.top]
        likely: Sequence[float | None] = [None] * len(found)
        if found and (curve := self._curve(query, target)) is not None:
            scores, count = [score for _, score in found], rows.count(request.licence)
            likely = likelihood.probabilities(curve, scores, rows.sample, query.vector, count)
        return tuple(
            Hit(rank, clip_id, score, self._clips[clip_id].caption(language), probability)
            for rank, ((clip_id, score), probability) in enumerate(zip(found, likely, strict=True), start=1)
        )

    def nothing_fits(self, query: QueryEmbedding, target: str, hits: Sequence[Hit]) -> bool:
        """Return whether the best of what ``nearest`` found is so unlikely that nothing is said to fit."""
        curve = self._curve(query, target)
        best = hits[0].probability if hits else None
        return curve is not None and best is not None and best < curve.nothing_below

    def _curve(self, query: QueryEmbedding, target: str) -> Curve | None:
        calibration = self.model.calibration
        return None if calibration is None else calibration.curve(likelihood.kind_of(query), target)

    def _descriptions(self, language: str, among_texts: bool) -> _ClipIndex:
        """Return the index over one description a wording, in ``language`` where there is one.

        Args:
            language: BCP-47 code.
            among_texts: Whether a text asks, and they are compared as texts.
        """
        # A language without descriptions shares an index: whatever codes are asked for, there are few.
        language = next((code for code in (language, language.split("-")[0]) if code in self._languages), "en")
        words = self.model.personal_words
        kept = self._texts.get((language, among_texts))
        if kept is not None and kept[0] is words:
            return kept[1]
        described: dict[str, list[Clip]] = {}
        for clip in self.gallery.clips:
            described.setdefault(clip.caption(language), []).append(clip)
        spoken = [_spoken(clips[0], language) for clips in described.values()]
        embeddings = self.model.encode_text(list(described), spoken)
        if among_texts:
            embeddings = self.model.text_space(embeddings)
        index = ExactIndex([clips[0].clip_id for clips in described.values()], embeddings)
        made = _ClipIndex(index, self.gallery.clips, list(described.values()))
        self._texts[language, among_texts] = words, made
        return made


class _View(NamedTuple):
    """The rows of one licence: their mask, the names of those that others of the group named, and how many."""

    mask: Mask
    names: Mapping[str, str]
    rows: int


class _ClipIndex:
    """An index whose rows stand for clips, searched among those of one licence or all."""

    def __init__(
        self, index: SearchIndex, clips: Sequence[Clip], groups: Sequence[Sequence[Clip]] | None = None
    ) -> None:
        """Keep an index.

        Args:
            index: Rows named by clip ids.
            clips: Those that may be found; rows of others are passed over.
            groups: The clips that each row stands for, the first of which names it; None where each stands for one.
        """
        self.index = index
        self._clips = clips
        self._groups = groups
        self._views: dict[str, _View] = {}

    @functools.cached_property
    def sample(self) -> ScoreSample:
        """Some rows, which tell how usual a score is."""
        return ScoreSample(self.index.rows(likelihood.sampled(self.index.ids)))

    def count(self, licence: str = "") -> int:
        """Return how many rows are searched."""
        view = self._view(licence)
        return 0 if view is None else view.rows

    def nearest(self, vectors: np.ndarray, top: int, licence: str = "") -> list[list[tuple[str, float]]]:
        """Return (clip id, cosine) of the rows nearest to each embedding, best first.

        A row that stands for several clips is named by the first of the licence.
        """
        view = self._view(licence)
        if view is None:
            return [[] for _ in vectors]
        found = self.index.nearest(vectors, top, view.mask)
        return [[(view.names.get(near.item_id, near.item_id), near.score) for near in each] for each in found]

    def _view(self, licence: str) -> _View | None:
        """Return the view of a licence's rows; None where it has no row."""
        if licence and licence not in self._views and not any(clip.licence == licence for clip in self._clips):
            return None  # not kept: whoever asks may invent as many
        if licence not in self._views:
            groups = self._groups or [(clip,) for clip in self._clips]
            names: dict[str, str] = {}
            for group in groups:
                first = next((clip for clip in group if not licence or clip.licence == licence), None)
                if first is not None:
                    names[group[0].clip_id] = first.clip_id
            mask = None if len(names) == len(self.index) else self.index.mask(names)
            renamed = {row: name for row, name in names.items() if row != name}
            self._views[licence] = _View(mask, renamed, len(names))
        return self._views[licence]


def _spoken(clip: Clip, language: str) -> str | None:
    """Return the language that ``clip.caption(language)`` is in; several may share a wording."""
    codes = (language, language.split("-")[0], "en", *clip.captions)
    return next((code for code in codes if clip.captions.get(code)), None)


def _exact(clips: Sequence[Clip], embeddings: Mapping[str, np.ndarray]) -> ExactIndex:
    ids = [clip.clip_id for clip in clips]
    return ExactIndex(ids, np.stack([embeddings[clip_id] for clip_id in ids]))
