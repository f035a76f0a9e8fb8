"""Query embeddings: a search request through the towers of a model, each at most once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cacara.errors import QueryError
from cacara.media import audio
from cacara.search import sights

if TYPE_CHECKING:
    import numpy as np

    from cacara.model.model import Cacara
    from cacara.model.parts.lexical_memory import Found
    from cacara.search.request import SearchRequest


@dataclasses.dataclass(frozen=True, eq=False)
class QueryEmbedding:
    """A query in the shared space: all that is looked for is looked for with this.

    Attributes:
        request: What was asked.
        vector: float32 [dimension].
        language: BCP-47 code of the language that a text was taken to be in, or None where nobody knows; of other
            queries that of the descriptions.
        language_source: ``chosen``, ``detected``, ``unknown`` (the detector abstained), ``audio`` or ``image``.
        classes: Of a sound float32 [classes], the mean probability of each class of the audio tower; else None.
        looked_up: Of a text the words that the model's lexical memory knows, and as what.
    """

    request: SearchRequest
    vector: np.ndarray
    language: str | None
    language_source: str
    classes: np.ndarray | None = None
    looked_up: tuple[Found, ...] = ()

    @property
    def text(self) -> str:
        """The words that were asked with, cleaned; empty for another query."""
        return self.request.text or ""


def embed(model: Cacara, request: SearchRequest) -> QueryEmbedding:
    """Return a request's embedding.

    Args:
        model: Its towers.
        request: A text, a sound or pictures; what is ``like`` a clip is embedded by the gallery's retriever.

    Raises:
        AudioError: A sound is empty, silent or not finite.
        ImageError: A picture is not uint8 [height, width, 3].
        QueryError: The model knows no pictures, or the request names a clip.
    """
    described = request.language or "en"
    if request.text is not None:
        found = request.language or model.detect(request.text).language
        how = "chosen" if request.language else "detected" if found else "unknown"
        centre = None if request.centred else False
        # A language that is only probable is shown, while the model weighs it against others.
        given = None if request.language is None else [found]
        vector = model.encode_text([request.text], given, centre=centre)[0]
        return QueryEmbedding(request, vector, found, how, looked_up=model.look_up(request.text, found))
    if request.sound is not None:
        vector, classes = model.encode_sound(request.sound)  # tells what is no sound from what is silent
        audio.check_audible(request.sound)
        return QueryEmbedding(request, vector, described, "audio", classes)
    if request.pictures is not None:
        return QueryEmbedding(request, sights.embed(model, list(request.pictures)), described, "image")
    raise QueryError(f"the request is for what is like {request.like!r:.80}; wanted a text, a sound or pictures")
