"""Taking a person's judgement of a shown result, and taking it back; the same for the page and for programs."""

from __future__ import annotations

from cacara.errors import QueryError
from feedback_db.records.opinions import FeedbackError, Judgement
from feedback_db.store.recordings import hash_file, save_recording
from ui.page.wording import FALLBACK, Wording, wording
from ui.search.searches import ShownSearch
from ui.server.services import Services


def flag(
    services: Services,
    search_id: str,
    clip_id: str,
    label: str,
    annotator: str,
    keep_recording: bool = False,
    interface: str = FALLBACK,
) -> dict[str, str]:
    """Store whether a shown result matches its query; rank, score and model are this server's own record.

    Args:
        services: What the handlers work with.
        search_id: The ``search_id`` of the list that was shown.
        clip_id: A clip of that list.
        label: ``relevant``, ``not_relevant`` or ``unsure``.
        annotator: Who judges: a name, or a random token that the same person sends each time.
        keep_recording: The person agrees that their recording is kept with the judgement; needed when
            the query was a recording.
        interface: Language in which an error is told.

    Returns:
        ``judgement_id``, which ``/undo`` takes, and ``label``.
    """
    words = wording(str(interface))
    search = services.searches.recall(search_id) if isinstance(search_id, str) else None
    if search is None:
        raise QueryError(words("search_forgotten"))
    if not isinstance(clip_id, str) or clip_id not in search.hits:
        raise QueryError(f"clip_id: found {clip_id!r:.80}, wanted a clip of the list that was shown")
    rank, score = search.hits[clip_id]
    judgement = Judgement(
        query_text=search.query_text,
        recording_sha256=search.recording_sha256,
        consent=_consent(search, keep_recording, words),
        language=search.language,
        clip_id=clip_id,
        rank=rank,
        score=score,
        label=label,
        model=search.model,
        model_version=search.model_version,
        gallery=search.gallery,
        annotator=annotator,
    )
    store = services.feedback.store()
    if search.recording is not None:
        # Before the row: a kept recording without a judgement is harmless, the reverse is a broken link.
        _keep(services, search)
    return {"judgement_id": store.add_judgement(judgement), "label": judgement.label}


def undo(services: Services, judgement_id: str, annotator: str) -> dict[str, str]:
    """Take back a judgement; what the same person had said before about that result counts again.

    Args:
        services: What the handlers work with.
        judgement_id: What ``/flag`` returned.
        annotator: The same name or token that was sent with the flag.

    Returns:
        ``judgement_id`` of the judgement that no longer counts.
    """
    services.feedback.store().undo(judgement_id, annotator)
    return {"judgement_id": judgement_id}


def _consent(search: ShownSearch, keep_recording: bool, words: Wording) -> bool:
    if search.recording is None:
        return False
    if keep_recording is not True:
        raise FeedbackError(words("consent_needed", consent=words("consent")))
    return True


def _keep(services: Services, search: ShownSearch) -> None:
    if search.recording is None or not search.recording.is_file():
        raise FeedbackError("the recording is no longer on the server; record or upload it again, then judge")
    if hash_file(search.recording) != search.recording_sha256:
        raise FeedbackError("the recording has changed since it was searched; search with it again, then judge")
    save_recording(services.feedback.recordings, search.recording)
