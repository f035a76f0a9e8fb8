"""Teaching a language as plain values; the same for the page and for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cacara import languages
from cacara.errors import LanguageError, QueryError
from cacara.words import text_pairs
from ui.page.wording import Wording
from ui.services.jobs import Job
from ui.services.permissions import admin_only
from ui.services.services import Services
from ui.services.training import Trainable, trainings_of
from ui.teach import pairs as pair_lists
from ui.teach.pairs import Pairs

KIND = "language_acquisition"
USUAL = "mla"
"""The bundled model that takes languages."""

LOOKED_AT = 5_000
"""So many texts are cut into pieces for the checks."""


@dataclasses.dataclass(frozen=True)
class Check:
    """Result of the checks before a training.

    Attributes:
        code: The language, BCP-47.
        name: Its English name.
        autonym: Its own name for itself.
        direction: ``ltr`` or ``rtl``.
        pairs: The pairs of texts.
        model: The name of the model that would learn it.
        reads_already: That model reads it by acquirers already.
        unknown_share: Share of the texts' pieces that the model's tokenizer does not know; None if not looked.
        long: Number of texts with more pieces than are trained on.
    """

    code: str
    name: str
    autonym: str
    direction: str
    pairs: Pairs
    model: str
    reads_already: bool = False
    unknown_share: float | None = None
    long: int = 0

    @property
    def ready(self) -> bool:
        """A training can be started."""
        misread = self.pairs.swapped and not self.pairs.headed
        return not self.pairs.missing and not self.pairs.missing_english and not misread


def pupil(services: Services) -> Trainable | None:
    """Return the model that learns languages: the one that answers if it does, else the bundled one, else another."""
    able = [each for each in trainings_of(services).models() if each.config.acquirers is not None]
    answering = services.engine.default
    able.sort(key=lambda each: (each.model_id != answering, each.model_id != USUAL))
    return able[0] if able else None


def check(services: Services, code: str, content: str | Pairs) -> Check:
    """Look at what was given, before anything is started.

    Args:
        services: The app's services.
        code: The language.
        content: The rows as typed, or pairs that were read from a file.

    Raises:
        CacaraError: No model here takes languages, the code is none, or there are no rows.
    """
    model = pupil(services)
    if model is None:
        raise QueryError(services.words("teach_no_model"))
    language = language_of(code, services.words)
    given = pair_lists.read(content, language) if isinstance(content, str) else content
    if not given.pairs and not given.faults:
        raise QueryError(services.words("teach_no_rows"))
    found = languages.describe(language)
    taught = language in trainings_of(services).taught.of(model.name)
    known = taught or (model.folder / "acquirers" / f"{language}.safetensors").is_file()
    checked = Check(language, found.english_name, found.autonym, found.direction, given, model.name, known)
    if not checked.ready:
        return checked  # the tokenizer may have to be fetched, and there is enough to mend
    assert model.config.acquirers is not None
    share, long = _pieces(model.config.acquirers.embedding, [other for _, other in given.pairs])
    return dataclasses.replace(checked, unknown_share=share, long=long)


def teach_check(services: Services, language: str, rows: str) -> dict[str, Any]:
    """Check pairs of texts that a model is to learn a language from; nothing is started.

    Args:
        services: The app's services.
        language: BCP-47 code.
        rows: A pair a line: English and the language, a tab, semicolon or comma between.

    Returns:
        ``language``, ``name``, ``model``, ``pairs`` (how many are good), ``missing`` (how many more are needed),
        ``ready``, ``lacking`` (why it is not ready, or empty), ``problems`` (``line`` and ``reason``),
        ``unknown_share`` (0 to 1, or null), ``too_long``, ``swapped`` (whether English seems to stand in the other
        column) and ``understood``: ``encoding``, ``separator``, ``columns`` (heading, field), ``passed_over``
        (headings that are not used) and ``rows``, the first five.
    """
    words = services.words
    found = check(services, str(language), str(rows))
    problems = [{"line": each.line, "reason": words(each.key, **each.values)} for each in found.pairs.faults]
    return {
        "language": found.code,
        "name": found.name,
        "model": found.model,
        "pairs": len(found.pairs.pairs),
        "missing": found.pairs.missing,
        "ready": found.ready,
        "lacking": lacking(found, words),
        "swapped": found.pairs.swapped,
        "understood": found.pairs.preview.plain() if found.pairs.preview else None,
        "problems": problems,
        "unknown_share": found.unknown_share,
        "too_long": found.long,
    }


def teach_start(services: Services, language: str, rows: str, token: str = "") -> dict[str, Any]:
    """Teach a model a language from pairs of texts; ask ``/teach_status`` how far it is.

    Args:
        services: The app's services.
        language: BCP-47 code.
        rows: A pair a line, as for ``/teach_check``.
        token: The team lead's; empty where none is needed.

    Returns:
        As ``/teach_status``.
    """
    start(services, str(language), str(rows), str(token))
    return teach_status(services)


@admin_only("token")
def start(services: Services, code: str, content: str | Pairs, token: str) -> Job:
    """Start teaching.

    Raises:
        CacaraError: It may not be started by this visitor, the rows are no good, or a training is running.
    """
    trainings = trainings_of(services)
    checked = check(services, code, content)
    if not checked.ready:
        raise QueryError(lacking(checked, services.words))
    model = pupil(services)
    assert model is not None

    def prepare(folder: Path) -> Sequence[str]:
        path = folder / "pairs.tsv"
        path.write_text(checked.pairs.tsv(), encoding="utf-8")
        output = trainings.taught.folder_of(model.name)
        arguments = {
            "--add-language": checked.code,
            "--pairs": path,
            "--model": model.folder,
            "--output": output,
        }
        return [str(part) for pair in arguments.items() for part in pair]

    about = {"language": checked.code, "name": checked.name, "model": model.name, "model_id": model.model_id}
    return trainings.jobs.start(KIND, about | {"pairs": len(checked.pairs.pairs)}, prepare)


def teach_status(services: Services) -> dict[str, Any]:
    """Return how far the last teaching is, and what was taught before.

    Returns:
        ``model`` that learns, or null; ``taught``, the languages taught here; ``last``: null, or ``language``,
        ``state`` (``running``, ``done``, ``failed`` or ``cancelled``), ``stage``, ``fraction`` (0 to 1), ``seconds``,
        ``message`` of a failure, and, of one that is done, ``before`` and ``after``: ``R@1`` and ``R@10`` in percent,
        ``cosine``, ``pairs`` and ``candidates`` of the held-out pairs.
    """
    trainings = trainings_of(services)
    model = pupil(services)
    job = latest(services)
    taught = sorted(trainings.taught.of(model.name)) if model else []
    return {"model": model and model.name, "taught": taught, "last": job and _plain(services, job)}


@admin_only("token")
def teach_cancel(services: Services, token: str = "") -> dict[str, Any]:
    """Cancel the teaching that is running; nothing of it stays.

    Args:
        services: The app's services.
        token: The team lead's; empty where none is needed.

    Returns:
        As ``/teach_status``.
    """
    jobs = trainings_of(services).jobs
    if (job := latest(services)) is not None:
        jobs.cancel(job.job_id)
    return teach_status(services)


@admin_only("token")
def forget(services: Services, code: str, token: str) -> None:
    """Take a taught language away from the model again.

    Raises:
        CacaraError: It may not be done by this visitor, or it was not taught.
    """
    if (model := pupil(services)) is None:
        raise QueryError(services.words("teach_no_model"))
    trainings_of(services).taught.forget(model.name, code)
    services.engine.refresh()


def follow(services: Services) -> dict[str, Any]:
    """Return what ``/teach_status`` does; a language that is done is read from now on, its model being prepared."""
    status = teach_status(services)
    last = status["last"]
    if last and last["state"] == "done" and last["language"] in status["taught"]:
        services.engine.refresh()
        if last["model_id"] in dict(services.engine.offered()):
            services.engine.choose(last["model_id"])
    return status


def latest(services: Services) -> Job | None:
    """Return the newest teaching, or None."""
    return trainings_of(services).jobs.latest(KIND)


def lacking(checked: Check, words: Wording) -> str:
    """Return why the pairs cannot be learnt from, in the interface's words; empty when they can."""
    if checked.pairs.swapped and not checked.pairs.headed:
        return swapped(checked, words)
    if checked.pairs.missing:
        return words(
            "teach_too_few", missing=checked.pairs.missing, count=len(checked.pairs.pairs), most=text_pairs.MIN_PAIRS
        )
    return words("teach_too_alike", missing=checked.pairs.missing_english) if checked.pairs.missing_english else ""


def swapped(checked: Check, words: Wording) -> str:
    """Return that English seems to stand in the other column, with the first pair as it was understood."""
    first, second = checked.pairs.pairs[0]
    return words("teach_swapped", first=first, second=second, language=checked.name)


def _plain(services: Services, job: Job) -> dict[str, Any]:
    reports = trainings_of(services).jobs.progress(job)
    last: dict[str, Any] = dict(reports[-1]) if reports else {"stage": "starting", "fraction": 0.0}
    names = ("language", "name", "model", "model_id", "pairs")
    done = job.state == "done"
    result = {key: last.get(key) for key in ("before", "after", "warnings")} if done else {}
    return {
        **{name: job.about.get(name) for name in names},
        "state": job.state,
        "stage": last["stage"],
        "fraction": float(last.get("fraction") or 0.0),
        "seconds": round(job.seconds, 1),
        "message": job.message,
        **result,
    }


def language_of(code: str, words: Wording) -> str:
    """Return a typed code as BCP-47.

    Raises:
        QueryError: It is empty, none, or English.
    """
    if not code.strip():
        raise QueryError(words("teach_no_code"))
    try:
        found = languages.normalise(code.strip())
    except LanguageError as error:
        raise QueryError(str(error)) from error
    if languages.base(found) == "en":
        raise QueryError(words("teach_english"))
    return found


def _pieces(embedding: str, texts: Sequence[str]) -> tuple[float, int]:
    """Return the share of unknown pieces, and how many texts have too many pieces."""
    from cacara.encoders import piece_tokenizer, text

    tokenizer = piece_tokenizer.of(text.place_of(embedding))
    unknown = total = long = 0
    for ids in tokenizer(list(texts[:LOOKED_AT]), add_special_tokens=False)["input_ids"]:
        unknown += sum(number == tokenizer.unk_token_id for number in ids)
        total += len(ids)
        long += len(ids) > text_pairs.MAX_PIECES
    return unknown / max(1, total), long
