"""Transcription of a visitor's speech; the same for the page and for programs."""

from __future__ import annotations

import dataclasses
from typing import Any

from cacara import languages
from cacara.errors import QueryError
from feedback_db.store.recordings import hash_file
from ui.search.answers import DETECT, chosen_language, nearest_language
from ui.services.services import Services


def write_down(services: Services, search_id: str, language: str = DETECT) -> dict[str, Any]:
    """Transcribe the speech of a recording that was searched with; nothing is kept.

    Whisper is fetched (133 MB) and loaded at the first use. Until it is there the answer is ``preparing``: ask again.

    Args:
        services: The app's services.
        search_id: The ``search_id`` of a list of ``/search_audio``.
        language: BCP-47 code of what is spoken; ``auto`` lets Whisper guess, which often fails on single words.

    Returns:
        ``phase``, ``preparing`` or ``ready``; ``progress``, how far the preparation is, in words; ``fraction``, the
        same from 0 to 1, or null; and when it is ready ``words``, ``language`` (BCP-47), ``guessed``,
        ``probability`` of the guess and ``query_language``: the code for ``/search_text``, ``auto`` where the model has
        no such language.
    """
    from cacara.media import audio

    words = services.words
    given = chosen_language(language)
    search = services.searches.recall(search_id) if isinstance(search_id, str) else None
    if search is None or search.recording is None or not search.recording.is_file():
        raise QueryError(words("speech_forgotten"))
    if problem := services.transcription.forget_failure():
        raise QueryError(words("speech_unavailable", reason=problem))
    transcriber = services.transcription.transcriber()
    if transcriber is None:
        status = services.transcription.status
        return {"phase": "preparing", "progress": status.progress(words), "fraction": status.fraction}
    if hash_file(search.recording) != search.recording_sha256:
        raise QueryError(words("speech_forgotten"))
    speech = transcriber.write_down(audio.load(search.recording).waveform, given)
    if not speech.text:
        raise QueryError(words("speech_nothing"))
    known = services.engine.languages()
    nearest = nearest_language(speech.language, known)
    spoken = {key: value for key, value in dataclasses.asdict(speech).items() if key not in ("text", "seconds")}
    return {
        "phase": "ready",
        "progress": "",
        "fraction": 1.0,
        "words": speech.text,
        **spoken,
        "language_name": languages.describe(speech.language).autonym,
        "query_language": nearest if nearest in known else DETECT,
    }
