"""Fine-tuning on feedback as plain values; the same for the page and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cacara.errors import CacaraError, QueryError
from cacara.model.config import DEFAULT_MODEL
from feedback_db.records.opinions import LABELS
from ui.services.jobs import Job
from ui.services.permissions import admin_only, is_admin
from ui.services.services import Services
from ui.services.training import Trainable, trainings_of

KIND = "finetune_feedback"
RECIPE = "training/recipes/feedback.yaml"
RUN, FINAL, GATE, MANIFEST = "run", "final", "gate.json", "manifest.jsonl"
NEEDED = ("pairs", "positives", "negatives", "queries", "clips")
HISTORY = 10
CURVE_POINTS = 400
NO_CURVE = frozenset({"stage", "fraction", "message", "kind", "step", "steps"})


def collected(services: Services, people: bool) -> dict[str, Any]:
    """Return counts of the feedback that counts now.

    Args:
        services: The app's services.
        people: Also by whom.

    Returns:
        ``total``, ``labels`` (label to number), ``languages`` and ``annotators`` (name to label to number, the most
        first; ``annotators`` is null without ``people``), ``captions`` and ``preferences``.

    Raises:
        FeedbackError: The database cannot be read.
    """
    store = services.feedback.store()
    counts = store.counts()
    judgements = store.current_judgements()
    languages = _table([(row.language or "", row.label) for row in judgements])
    annotators = _table([(row.annotator, row.label) for row in judgements]) if people else None
    return {
        "total": sum(counts.current.values()),
        "labels": {label: counts.current[label] for label in LABELS},
        "languages": languages,
        "annotators": annotators,
        "captions": counts.captions,
        "preferences": counts.preferences,
    }


def needed(services: Services) -> dict[str, Any]:
    """Return how much feedback the training wants, as it counts itself.

    Returns:
        ``counting``: it is being counted; ``problem``: why it cannot be; ``rows``: null before it is known, else
        ``name``, ``found`` and ``wanted`` of each of ``NEEDED``; ``ready``: there is enough.
    """
    counts = services.feedback.store().counts()
    key = (counts.judgements, counts.undos, counts.captions, counts.deleted, counts.adjudications)
    trainings = trainings_of(services)
    found, problem, counting = trainings.counting.look(trainings.database, key)
    if found is None:
        return {"counting": counting, "problem": problem, "rows": None, "ready": False}
    wanted = found.get("needed") or {}
    rows = [{"name": name, "found": int(found.get(name, 0)), "wanted": int(wanted.get(name, 0))} for name in NEEDED]
    ready = not found.get("missing")
    return {"counting": counting, "problem": problem, "rows": rows, "ready": ready}


def improve_status(services: Services, token: str = "") -> dict[str, Any]:
    """Return what was collected, how far the last fine-tuning is, what came of it, and which model answers.

    Args:
        services: The app's services.
        token: The team lead's; without it the names of annotators are left out.

    Returns:
        ``collected`` (``total``, ``labels``, ``languages``, ``annotators``, ``captions``, ``preferences``),
        ``needed`` (``rows``, ``ready``, ``counting``, ``problem``), ``run`` (null, or ``state``, ``stage``,
        ``fraction``, ``seconds``, ``message``, ``base``, ``curves``, ``gate``, ``resumable``, ``model_id`` and
        ``promotable``) and ``models`` (``current``, ``answers``, ``phase``, ``fixed``, ``history``, ``can_roll_back``).
    """
    allowed = is_admin(services, str(token))
    job = trainings_of(services).jobs.latest(KIND)
    return {
        "collected": collected(services, allowed),
        "needed": needed(services),
        "run": job and run(services, job),
        "models": models(services),
    }


def run(services: Services, job: Job) -> dict[str, Any]:
    """Return how far a fine-tuning is, or what came of it, see ``improve_status``."""
    trainings = trainings_of(services)
    rows = trainings.jobs.progress(job)
    last: dict[str, Any] = dict(rows[-1]) if rows else {"stage": "starting", "fraction": 0.0, "message": ""}
    gate = last.get("gate") if job.state == "done" and isinstance(last.get("gate"), dict) else None
    trained = _trained(services, job) if gate else None
    return {
        "state": job.state,
        "stage": last["stage"],
        "fraction": float(last.get("fraction") or 0.0),
        "step": str(last.get("message", "")),
        "seconds": round(job.seconds, 1),
        "message": job.message,
        "base": job.about.get("base"),
        "curves": curves(rows),
        "gate": gate
        and {key: gate.get(key) for key in ("passed", "failed", "reasons", "held_out", "judged", "unjudged")},
        "resumable": job.state in ("failed", "cancelled") and (_folder(services, job) / MANIFEST).is_file(),
        "model_id": trained,
        "promotable": bool(gate and gate.get("passed") and trained not in (None, trainings.registry.current())),
    }


def curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the losses by step: kind of clip to ``steps`` (of how many) and ``losses``, name to [step, loss] pairs."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        step, kind = row.get("step"), row.get("kind")
        if row["stage"] != "train" or not isinstance(step, int) or not isinstance(kind, str):
            continue
        own = found.setdefault(kind, {"steps": int(row.get("steps") or 0), "losses": {}})
        for name, value in row.items():
            if name not in NO_CURVE and isinstance(value, int | float) and value == value and abs(value) < 1e9:
                own["losses"].setdefault(name, {})[step] = float(value)  # of a run that went on, the newer one
    for own in found.values():
        own["losses"] = {name: _thinned(points) for name, points in own["losses"].items()}
    return found


def models(services: Services) -> dict[str, Any]:
    """Return which model answers and what was promoted, see ``improve_status``."""
    trainings = trainings_of(services)
    current, engine = trainings.registry.current(), services.engine
    return {
        "current": current,
        "answers": engine.default or current,
        "phase": engine.status_of(current).phase,
        "fixed": trainings.given is not None,
        "history": trainings.registry.history()[-HISTORY:][::-1],
        "can_roll_back": current != DEFAULT_MODEL,
    }


@admin_only("token")
def improve_start(services: Services, token: str = "") -> dict[str, Any]:
    """Start a fine-tuning of the model that answers on the feedback there is now.

    Takes and returns what ``/improve_status`` does.
    """
    trainings = trainings_of(services)
    base = base_model(services)
    services.feedback.store()  # makes the database if it is missing, and tells if it cannot be read

    def prepare(folder: Path) -> Sequence[str]:
        arguments = ["--recipe", RECIPE, "--database", str(trainings.database), "--base", str(base.folder)]
        arguments += ["--output", str(folder / RUN)]
        return arguments + (["--gallery", trainings.gallery] if trainings.gallery else [])

    trainings.jobs.start(KIND, {"base": f"{base.name} {base.version}", "model_id": base.model_id}, prepare)
    return improve_status(services, token)


@admin_only("token")
def improve_resume(services: Services, token: str = "") -> dict[str, Any]:
    """Go on with the last fine-tuning, which failed or was cancelled, where it was stopped.

    Takes and returns what ``/improve_status`` does.
    """
    job = trainings_of(services).jobs.latest(KIND)
    if job is None or not run(services, job)["resumable"]:
        raise QueryError(services.words("improve_nothing_to_resume"))
    trainings_of(services).jobs.again(job.job_id)
    return improve_status(services, token)


@admin_only("token")
def improve_cancel(services: Services, token: str = "") -> dict[str, Any]:
    """Cancel the fine-tuning that is running; it can go on later.

    Takes and returns what ``/improve_status`` does.
    """
    jobs = trainings_of(services).jobs
    if (job := jobs.latest(KIND)) is not None:
        jobs.cancel(job.job_id)
    return improve_status(services, token)


@admin_only("token")
def improve_promote(services: Services, token: str = "") -> dict[str, Any]:
    """Let the model of the last fine-tuning answer; only if it passed the gate.

    Takes and returns what ``/improve_status`` does.
    """
    trainings = trainings_of(services)
    job = trainings.jobs.latest(KIND)
    if job is None or job.state != "done":
        raise QueryError(services.words("improve_nothing_to_promote"))
    folder = _folder(services, job)
    trainings.registry.promote(folder / FINAL, folder / GATE)
    return improve_status(services, token)


@admin_only("token")
def improve_rollback(services: Services, token: str = "") -> dict[str, Any]:
    """Let the model answer again that did before the last promotion.

    Takes and returns what ``/improve_status`` does.
    """
    trainings_of(services).registry.rollback()
    return improve_status(services, token)


def base_model(services: Services) -> Trainable:
    """Return the model that a fine-tuning begins with: the one that answers.

    Raises:
        QueryError: It is not here, or its heads cannot be tuned.
    """
    trainings = trainings_of(services)
    wanted = services.engine.default or trainings.given or trainings.registry.current()
    found = {each.model_id: each for each in trainings.models()}.get(wanted)
    if found is None:
        raise QueryError(services.words("improve_no_base", model=wanted))
    if found.config.projectors is not None:
        raise QueryError(services.words("improve_not_this_base", model=found.name))
    return found


def _folder(services: Services, job: Job) -> Path:
    return trainings_of(services).jobs.folder_of(job) / RUN


def _trained(services: Services, job: Job) -> str | None:
    """Return the id that a trained model has once it is promoted; None when its folder is gone."""
    from cacara.model import checkpoint

    try:
        config = checkpoint.read_config(_folder(services, job) / FINAL)
    except CacaraError:
        return None
    return f"{config.name}@{config.version}"


def _table(rows: Sequence[tuple[str, str]]) -> dict[str, dict[str, int]]:
    by_name: dict[str, Counter[str]] = {}
    for name, label in rows:
        by_name.setdefault(name, Counter())[label] += 1
    ordered = sorted(by_name.items(), key=lambda each: (-each[1].total(), each[0]))
    return {name: {label: counted[label] for label in LABELS} for name, counted in ordered}


def _thinned(points: Mapping[int, float]) -> list[list[float]]:
    """Return points by step, at most about ``CURVE_POINTS``, the last one among them."""
    ordered = [[float(step), value] for step, value in sorted(points.items())]
    stride = max(1, len(ordered) // CURVE_POINTS)
    return ordered[::-1][::stride][::-1]
