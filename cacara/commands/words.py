"""``python -m cacara words``: words that a model with a lexical memory was taught, or that it read wrongly."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cacara import languages
from cacara.commands.command_line import show_progress
from cacara.errors import CacaraError
from cacara.lexicon.personal_words import DEFAULT_PLACE, PersonalWord, PersonalWords
from cacara.model.config import DEFAULT_MODEL
from cacara.words import personal_tables
from cacara_files import atomic

FAULTS_SHOWN = 10


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``words`` with its own commands."""
    parser = commands.add_parser("words", help="teach words, list them, take them back", description=__doc__)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run in (("add", add_word), ("wrong", mark_wrong)):
        giving = _add(actions, name, run)
        giving.add_argument("language", metavar="CODE", help="BCP-47, such as sw; private ones, such as x-foo, too")
        giving.add_argument("text", metavar="WORD", help="a word, or a phrase of up to three words")
        giving.add_argument("english", metavar="ENGLISH", help="an English word or phrase")
        _add_notes(giving)
    listing = _add(actions, "list", list_words)
    listing.add_argument("--language", metavar="CODE", help="of this language alone")
    listing.add_argument("--json", action="store_true", help="write one JSON object")
    removing = _add(actions, "remove", remove)
    removing.add_argument("ids", nargs="+", metavar="ID", help="of an entry or a list, as words list shows it")
    importing = _add(actions, "import", import_table)
    importing.add_argument("table", type=Path, metavar="FILE", help="CSV or TSV: pairs, or what words export wrote")
    importing.add_argument("--language", metavar="CODE", help="of a table of pairs without a column for it")
    _add_notes(importing)
    measuring = _add(actions, "measure", measure)
    measuring.add_argument("list_id", metavar="LIST", help="as words list shows it")
    measuring.add_argument("--model", default=DEFAULT_MODEL, help="a model with a lexical memory (%(default)s)")
    measuring.add_argument("--gallery", type=Path, metavar="DIR", help="sounds instead of the default gallery")
    exporting = _add(actions, "export", export)
    exporting.add_argument("table", type=Path, metavar="FILE.tsv")
    exporting.add_argument("--language", metavar="CODE", help="of this language alone")


def add_word(options: argparse.Namespace) -> None:
    """Teach what a word means; it acts at once."""
    _give(options, wrong=False)


def mark_wrong(options: argparse.Namespace) -> None:
    """Take back what a word is looked up as, whether the lexicon says it or somebody taught it."""
    _give(options, wrong=True)


def list_words(options: argparse.Namespace) -> None:
    """List the words that were taught or taken back, oldest first."""
    words = _of(PersonalWords(options.words), options.language)
    if options.json:
        sys.stdout.write(json.dumps({"words": [word.to_json() for word in words]}, ensure_ascii=False) + "\n")
        return
    for word in words:
        sys.stdout.write(f"{word.word_id[:8]} {word.list_id or '-':12s} {_told(word)}\n")


def remove(options: argparse.Namespace) -> None:
    """Take entries or whole lists away; what stood before them counts again."""
    store = PersonalWords(options.words)
    words = store.read()
    chosen: set[str] = set()
    for wanted in options.ids:
        found = {word.word_id for word in words if wanted == word.list_id or word.word_id.startswith(wanted)}
        alone = {word.word_id for word in words if wanted == word.list_id}
        if not found or (len(found) > 1 and found != alone):
            raise CacaraError(f"{wanted!r:.40} names {len(found)} entries; wanted the id of one, or of a list")
        chosen |= found
    sys.stdout.write(f"{len(store.remove(chosen))} entries taken away\n")


def import_table(options: argparse.Namespace) -> None:
    """Teach the words of a table; rows that cannot be used are listed."""
    found = personal_tables.read_file(options.table, options.language, options.source, options.by)
    for line in found.preview.lines():
        sys.stderr.write(f"{line}\n")
    for line_number, fault in found.faults[:FAULTS_SHOWN]:
        sys.stderr.write(f"line {line_number} left out: {fault.kind}\n")
    if found.swapped:
        raise CacaraError("English seems to stand in the second column; put it first, or add a heading that says so")
    new = PersonalWords(options.words).add(found.words)
    list_id = f", list {new[0].list_id}" if new else ""
    sys.stdout.write(
        f"{len(new):,} entries taught{list_id}; {len(found.words) - len(new):,} were known, {found.sentences:,} are "
        f"sentences, which acquirers learn, {len(found.faults):,} rows left out\n"
    )


def measure(options: argparse.Namespace) -> None:
    """Ask a tenth of a list before and after it was taught, and while it is kept out, as JSON in percent."""
    from cacara.search import setup as preparation
    from cacara.words import taught_effect

    retriever = preparation.prepare(options.model, options.gallery, "auto", show_progress)
    words = PersonalWords(options.words).read()
    found = taught_effect.measure(retriever.model, words, options.list_id, taught_effect.sounds_of(retriever))
    sys.stdout.write(json.dumps(found.to_json(), indent=1) + "\n")


def export(options: argparse.Namespace) -> None:
    """Write the words as TSV, with where they are from; words import reads it back."""
    words = _of(PersonalWords(options.words), options.language)
    atomic.write_text(options.table, personal_tables.write(words))
    sys.stdout.write(f"{options.table}: {len(words):,} entries\n")


def _give(options: argparse.Namespace, *, wrong: bool) -> None:
    word = PersonalWord(options.language, options.text, options.english, wrong, options.source, options.by)
    new = PersonalWords(options.words).add([word])
    sys.stdout.write(f"{word.word_id[:8]} {_told(word)}\n" if new else f"known already: {_told(word)}\n")


def _of(store: PersonalWords, language: str | None) -> tuple[PersonalWord, ...]:
    wanted = languages.normalise(language) if language else None
    return tuple(word for word in store.read() if wanted in (None, word.language))


def _told(word: PersonalWord) -> str:
    notes = " · ".join(filter(None, (word.source, word.annotator, word.created_utc[:10])))
    return f"{word.language}: {word.text} {'≠' if word.wrong else '→'} {word.english}  ({notes})"


def _add_notes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", default="", help="where it is from")
    parser.add_argument("--by", default="", metavar="NAME", help="who gives it")


def _add(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: object
) -> argparse.ArgumentParser:
    summary = (run.__doc__ or "").split("\n")[0]
    parser = actions.add_parser(name, help=summary.rstrip("."), description=summary)
    parser.set_defaults(run=run)
    parser.add_argument("--words", type=Path, default=DEFAULT_PLACE, metavar="FILE", help="(%(default)s)")
    return parser
