"""Words that people teach, as plain values: they act at once; the same for the page and for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara import languages
from cacara.errors import QueryError
from cacara.lexicon.personal_words import PersonalWord, PersonalWords, new_list_id
from cacara.words import personal_tables
from ui.services.permissions import admin_only
from ui.services.services import Services
from ui.services.training import trainings_of
from ui.teach import actions
from ui.teach.pairs import fault_of

if TYPE_CHECKING:
    from cacara.words.personal_tables import PersonalTable

SHOWN = 40
"""So many languages are suggested, those with the most words."""
EXAMPLES = 3


def heeding(services: Services) -> str | None:
    """Return the name of the model that answers and looks words up; None where the one that answers does not."""
    answering = services.engine.default
    config = next((each.config for each in trainings_of(services).models() if each.model_id == answering), None)
    return config.name if config is not None and config.memory is not None else None


def read(services: Services, code: str, content: str | Path, source: str = "") -> PersonalTable:
    """Return the entries that rows or a file hold; nothing is added.

    Args:
        services: The app's services.
        code: The language; a table with a column for it has its own.
        content: The rows as typed, or the file.
        source: Origin of the words.

    Raises:
        CacaraError: There are no rows, they are no table, or the code is none.
    """
    words = services.words
    language = actions.language_of(code, words) if code.strip() else None
    if isinstance(content, str) and not content.strip():
        raise QueryError(words("teach_no_rows"))
    try:
        if isinstance(content, str):
            return personal_tables.read_text(content, language, source)
        return personal_tables.read_file(content, language, source)
    except personal_tables.LanguageMissingError as error:
        raise QueryError(words("teach_no_code")) from error


@admin_only("token")
def add(services: Services, code: str, content: str | Path, source: str, token: str) -> tuple[PersonalTable, int, str]:
    """Add the words of rows or a file; return what was read, how many are new, and the id of their list.

    Raises:
        CacaraError: It may not be done by this visitor, or the rows are no good.
    """
    table = read(services, code, content, source)
    if table.swapped:
        raise QueryError(services.words("teach_swapped", **swapped(table)))
    if not table.words:
        raise QueryError(services.words("teach_words_none"))
    new = _store(services).add(table.words)
    return table, len(new), table.words[0].list_id


def swapped(table: PersonalTable) -> dict[str, str]:
    """Return the first pair of a table whose columns read as if they had changed places, as it was understood."""
    first = table.words[0]
    return {"first": first.english, "second": first.text, "language": languages.describe(first.language).english_name}


def teach_words(services: Services, language: str, rows: str, source: str = "", token: str = "") -> dict[str, Any]:
    """Teach words, which the models that look words up know at once; texts longer than three words are passed over.

    Args:
        services: The app's services.
        language: BCP-47 code; empty for rows with a column that is headed ``language``.
        rows: A pair a line, as for ``/teach_check``, or what ``/taught_words`` gives as ``table``.
        source: Origin of the words.
        token: The team lead's; empty where none is needed.

    Returns:
        ``list_id`` of the new list, ``added``, ``known`` (how many were there), ``sentences`` (how many are too long)
        and ``problems`` (``line`` and ``reason``).
    """
    table, new, list_id = add(services, str(language), str(rows), str(source), str(token))
    faults = [fault_of(line, found) for line, found in table.faults]
    return {
        "list_id": list_id,
        "added": new,
        "known": len(table.words) - new,
        "sentences": table.sentences,
        "problems": [{"line": each.line, "reason": services.words(each.key, **each.values)} for each in faults],
    }


@admin_only("token")
def taught_words(services: Services, language: str = "", token: str = "") -> dict[str, Any]:
    """Return the words that were taught here, or taken back.

    Args:
        services: The app's services.
        language: BCP-47 code; empty for all.
        token: The team lead's; empty where none is needed.

    Returns:
        ``words``, oldest first: ``language``, ``text``, ``english``, ``wrong``, ``source``, ``annotator``,
        ``created_utc``, ``list_id`` and ``word_id`` each; and ``table``, the same as TSV.
    """
    wanted = languages.normalise(str(language)) if str(language).strip() else None
    chosen = [word for word in _store(services).read() if wanted in (None, word.language)]
    return {"words": [word.to_json() for word in chosen], "table": personal_tables.write(chosen)}


@admin_only("token")
def take_back_words(services: Services, ids: Sequence[str], token: str = "") -> dict[str, Any]:
    """Take words away again; what stood before them counts.

    Args:
        services: The app's services.
        ids: ``list_id`` of whole lists, ``word_id`` of words.
        token: The team lead's; empty where none is needed.

    Returns:
        ``removed``, how many words.
    """
    wanted = {str(each) for each in ids if each} if isinstance(ids, list | tuple) else set()
    store = _store(services)
    gone = store.remove({word.word_id for word in store.read() if {word.word_id, word.list_id} & wanted})
    if not gone:
        raise QueryError(f"none of {len(wanted)} ids is a word or a list that was taught here")
    return {"removed": len(gone)}


def measure_words(services: Services, list_id: str, model: str | None = None) -> dict[str, Any]:
    """Return what a list brought: a tenth of it, asked before, after, and while it is kept out of the list.

    Args:
        services: The app's services.
        list_id: Of ``/teach_words``.
        model: The id of a model; null for the one that answers.

    Returns:
        ``asked``, ``candidates``, and ``english``, ``sounds`` and ``kept_out``: each ``before``, ``after``, and
        ``lower`` and ``upper`` of the 95 % interval of the difference, in percent.
    """
    from cacara.words import taught_effect

    retriever = services.retriever(model)
    words = _store(services).read()
    return taught_effect.measure(retriever.model, words, str(list_id), taught_effect.sounds_of(retriever)).to_json()


@dataclasses.dataclass(frozen=True)
class TaughtList:
    """Words that were taught together, or a single one.

    Attributes:
        name: Of the list, or the word with what it means.
        language: BCP-47 codes, sorted.
        words: Their number.
        day: ISO-8601.
        place: What ``take_back_words`` takes.
        wrong: It is a look-up that was taken back.
    """

    name: str
    language: str
    words: int
    day: str
    place: str
    wrong: bool = False


def lists(services: Services) -> list[TaughtList]:
    """Return what was taught, the newest first."""
    grouped: dict[str, list[PersonalWord]] = {}
    for word in _store(services).read():
        grouped.setdefault(word.list_id or word.word_id, []).append(word)
    found = []
    for place, own in grouped.items():
        first = own[0]
        single = f"{first.text} {'≠' if first.wrong else '→'} {first.english}"
        named = first.source or place if len(own) > 1 else single
        codes = ", ".join(sorted({word.language for word in own}))
        found.append(TaughtList(named, codes, len(own), first.created_utc[:10], place, first.wrong and len(own) == 1))
    return found[::-1]


def suggested_words(services: Services) -> dict[str, Any]:
    """Return the words that corrected captions and judged queries suggest and that are not taught yet.

    Args:
        services: The app's services.

    Returns:
        ``counting``: the feedback is being read; ``problem``: why it cannot be; ``languages``: null before it is known,
        else, the most words first, ``language``, ``name``, ``words`` (how many) and ``examples``.
    """
    found, problem, counting = _suggested(services)
    if found is None:
        return {"counting": counting, "problem": problem, "languages": None}
    by_language: dict[str, list[PersonalWord]] = {}
    for word in found:
        by_language.setdefault(word.language, []).append(word)
    rows = [
        {
            "language": code,
            "name": languages.describe(code).english_name,
            "words": len(own),
            "examples": [f"{word.text} → {word.english}" for word in own[:EXAMPLES]],
        }
        for code, own in sorted(by_language.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    return {"counting": counting, "problem": problem, "languages": rows[:SHOWN]}


@admin_only("token")
def take_suggested_words(services: Services, language: str, token: str = "") -> dict[str, Any]:
    """Teach the words of a language that corrected captions and judged queries suggest.

    Args:
        services: The app's services.
        language: BCP-47 code.
        token: The team lead's; empty where none is needed.

    Returns:
        ``added``, how many, and ``list_id``.
    """
    list_id = new_list_id()
    own = [word for word in _suggested(services)[0] or () if word.language == language]
    new = _store(services).add(dataclasses.replace(word, list_id=list_id) for word in own)
    if not new:
        raise QueryError(services.words("teach_from_nothing"))
    return {"added": len(new), "list_id": list_id}


def _suggested(services: Services) -> tuple[list[PersonalWord] | None, str, bool]:
    counts = services.feedback.store().counts()
    key = (counts.judgements, counts.undos, counts.captions, counts.deleted, counts.adjudications)
    trainings = trainings_of(services)
    found, problem, counting = trainings.suggested.look(trainings.database, key)
    if found is None:
        return None, problem, counting
    standing = {word.about: word.wrong for word in _store(services).read()}
    rows = [{name: value for name, value in row.items() if name != "rows"} for row in found.get("words") or ()]
    words = [PersonalWord(**row) for row in rows]
    return [word for word in words if word.about not in standing], problem, counting


def _store(services: Services) -> PersonalWords:
    if services.personal_words is None:
        raise QueryError("this app keeps no words; start it with python app.py")
    return services.personal_words
