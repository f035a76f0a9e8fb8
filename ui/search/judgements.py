"""Taking a person's judgement of a shown result, and taking it back; the same for the page and for programs."""

from __future__ import annotations

from cacara.errors import QueryError
from feedback_db.errors import FeedbackError, StaleAnswerError
from feedback_db.records.opinions import Judgement
from feedback_db.store.recordings import hash_file, save_recording
from ui.page.wording import Wording
from ui.services.searches import ShownSearch
from ui.services.services import Services


def flag(
    services: Services,
    search_id: str,
    clip_id: str,
    label: str,
    annotator: str,
    keep_recording: bool = False,
    seen: str | None = None,
) -> dict[str, str]:
    """Store whether a shown result matches its query; rank, score and model are this server's own record.

    Args:
        services: The app's services.
        search_id: The ``search_id`` of the list that was shown.
        clip_id: A clip of that list.
        label: ``relevant``, ``not_relevant`` or ``unsure``.
        annotator: The judge's name, or a random token that the same person sends each time.
        keep_recording: The person agrees that their recording is kept with the judgement; needed when
            the query was a recording.
        seen: The id of your judgement of this that you know of, empty for none: another that stands by now is then
            not overwritten, and an error says so. Null overwrites it.

    Returns:
        ``judgement_id``, which ``/undo`` takes, and ``label``.
    """
    if seen is not None and not isinstance(seen, str):
        raise QueryError(f"seen: found {seen!r:.80}, wanted the id of a judgement, an empty text or null")
    words = services.words
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
    return {"judgement_id": store.add_judgement(judgement, seen=seen), "label": judgement.label}


def judge_card(
    services: Services,
    search_id: str,
    clip_id: str,
    label: str,
    annotator: str,
    keep_recording: bool = False,
    seen: str = "",
) -> dict[str, str]:
    """Do as ``flag`` for the page: where another judgement stands than was seen, return it with a question.

    Returns:
        ``judgement_id`` and ``label`` of what stands, and ``stale``, the question whether to replace it, if that is not
        what was given.
    """
    try:
        return flag(services, search_id, clip_id, label, annotator, keep_recording, seen)
    except StaleAnswerError as error:
        words = services.words
        if not error.standing:
            return {"judgement_id": "", "label": "", "stale": words("stale_none")}
        found, label_now = services.feedback.store().standing_judgement(error.standing)
        answer = words(label_now) if label_now in words.table else label_now
        return {"judgement_id": found, "label": label_now, "stale": words("stale", answer=answer)}


def undo(services: Services, judgement_id: str, annotator: str) -> dict[str, str]:
    """Take back a judgement; what the same person had said before about that result counts again.

    Args:
        services: The app's services.
        judgement_id: As ``/flag`` returned it.
        annotator: The same name or token that was sent with the flag.

    Returns:
        ``judgement_id`` of the judgement that no longer counts; ``stands`` and ``label`` of the one that counts now,
        empty for none; and ``message``, the same in words.
    """
    store, words = services.feedback.store(), services.words
    store.undo(judgement_id, annotator)
    stands, label = store.standing_judgement(judgement_id)
    answer = words(label) if label in words.table else label
    message = words("undone_stands", answer=answer) if stands else words("undone")
    return {"judgement_id": judgement_id, "stands": stands, "label": label, "message": message}


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
