"""Teaching a language from what people corrected and judged, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cacara import languages
from cacara.errors import QueryError
from ui.page.wording import Wording
from ui.services.jobs import Job
from ui.services.permissions import require_admin
from ui.services.services import Services
from ui.services.training import trainings_of
from ui.teach import actions
from ui.teach.pairs import Pairs
from ui.teach.pairs import read as read_pairs

SHOWN = 40
"""So many languages are offered, those with the most feedback."""
COUNTED = ("pairs", "feedback", "concepts", "captions")


def teach_offers(services: Services) -> dict[str, Any]:
    """Return the languages that people corrected captions and judged queries in, as the training counts them.

    Args:
        services: The app's services.

    Returns:
        ``counting``: they are being counted; ``problem``: why they cannot be; ``languages``: null before they are
        known, else, the most feedback first, ``language``, ``name``, ``pairs`` that it could be taught from,
        ``feedback``, ``concepts`` (different things), ``captions`` among them and ``missing`` (``pairs``, ``feedback``
        and ``concepts`` to how many there are too few of; empty when there are enough).
    """
    counts = services.feedback.store().counts()
    key = (counts.judgements, counts.undos, counts.captions, counts.deleted, counts.adjudications)
    trainings = trainings_of(services)
    found, problem, counting = trainings.teachable.look(trainings.database, key)
    if found is None:
        return {"counting": counting, "problem": problem, "languages": None}
    rows = []
    for row in list(found.get("languages") or ())[:SHOWN]:
        code = str(row["language"])
        missing = {str(name): int(count) for name, count in (row.get("missing") or {}).items()}
        counted = {name: int(row.get(name) or 0) for name in COUNTED}
        rows.append({"language": code, "name": languages.describe(code).english_name, **counted, "missing": missing})
    return {"counting": counting, "problem": problem, "languages": rows}


def teach_from_feedback(services: Services, language: str, rows: str = "", token: str = "") -> dict[str, Any]:
    """Teach a model a language from the feedback in it; a gate decides whether what was learnt is used.

    Args:
        services: The app's services.
        language: BCP-47 code.
        rows: More pairs to learn, a pair a line, as for ``/teach_check``; may be empty.
        token: The team lead's; empty where none is needed.

    Returns:
        As ``/teach_status``.
    """
    more = read_pairs(str(rows), str(language)) if str(rows).strip() else None
    start(services, str(language), more, str(token))
    return actions.teach_status(services)


def start(services: Services, code: str, more: Pairs | None, token: str) -> Job:
    """Start teaching from feedback.

    Args:
        services: The app's services.
        code: The language.
        more: Pairs to learn beside; None for feedback alone.
        token: The team lead's; empty where none is needed.

    Raises:
        CacaraError: It may not be started by this visitor, there is too little, or a training is running.
    """
    require_admin(services, token)
    trainings = trainings_of(services)
    model = actions.pupil(services)
    if model is None:
        raise QueryError(services.words("teach_no_model"))
    language = actions.language_of(code, services.words)
    name = languages.describe(language).english_name
    if more is not None:
        checked = actions.check(services, language, more)
        if not checked.ready:
            raise QueryError(actions.lacking(checked, services.words))
    else:
        _refuse_too_little(services, language, name)

    def prepare(folder: Path) -> Sequence[str]:
        arguments: dict[str, object] = {
            "--database": trainings.database.absolute(),
            "--language": language,
            "--model": model.folder,
            "--output": folder / actions.TAUGHT,
            "--register": trainings.taught.folder_of(model.name),
        }
        if more is not None:
            path = folder / "pairs.tsv"
            path.write_text(more.tsv(), encoding="utf-8")
            arguments["--pairs"] = path
        if trainings.gallery:
            arguments["--gallery"] = trainings.gallery
        if current := trainings.taught.of(model.name).get(language):
            arguments["--current"] = current
        return [str(part) for pair in arguments.items() for part in pair]

    about = {"language": language, "name": name, "model": model.name, "model_id": model.model_id, "pairs": None}
    return trainings.jobs.start(actions.FEEDBACK_KIND, about, prepare)


def teach_use(services: Services, token: str = "") -> dict[str, Any]:
    """Use what the last teaching from feedback made although it did not pass the gate.

    Args:
        services: The app's services.
        token: The team lead's; empty where none is needed.

    Returns:
        As ``/teach_status``.
    """
    require_admin(services, str(token))
    trainings, job = trainings_of(services), actions.latest(services)
    if job is None or not usable(actions.teach_status(services)) or not actions.made_by(services, job).is_file():
        raise QueryError(services.words("teach_nothing_to_use"))
    trainings.taught.take(str(job.about["model"]), actions.made_by(services, job))
    return actions.follow(services)


def usable(status: dict[str, Any]) -> bool:
    """Return whether there is a teaching from feedback that is done and that only a person's word can take into use."""
    last = status["last"]
    return bool(last) and last["state"] == "done" and last["source"] == "feedback" and not last["in_use"]


def _refuse_too_little(services: Services, language: str, name: str) -> None:
    """Refuse what the training would refuse; before it has been counted, the training says so itself."""
    offered = teach_offers(services)["languages"]
    row = next((each for each in offered or () if each["language"] == language), None)
    if row is not None and row["missing"]:
        raise QueryError(
            services.words("teach_from_too_few", language=name, missing=lacking(row["missing"], services.words))
        )


def lacking(missing: dict[str, int], words: Wording) -> str:
    """Return what is missing, in the interface's words."""
    return ", ".join(words(f"teach_from_need_{name}", count=count) for name, count in missing.items())
