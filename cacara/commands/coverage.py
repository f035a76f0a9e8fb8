"""``python -m cacara coverage``: the table of languages, for the app and for ``docs/coverage.md``."""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cacara import languages
from cacara.commands.command_line import add_command, require_writable, show_progress
from cacara.errors import CacaraError, LanguageError
from cacara.languages import coverage
from cacara.languages.coverage import MIN_TEXTS
from cacara.sources import texts as source_texts
from cacara_files import atomic

if TYPE_CHECKING:
    from cacara.languages.coverage import Coverage, MeasuredRecall, Row
    from cacara.lexicon import LexiconReader
    from cacara.model.config import ModelConfig


_WORD_MARK = "\N{LOWER ONE EIGHTH BLOCK}"  # of SentencePiece


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "coverage", tabulate)
    parser.add_argument(
        "--report",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="reports of python -m cacara evaluate --json, one a split: their recalls go into the table",
    )
    parser.add_argument("--output", type=Path, metavar="FILE.md", help="write the table as Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE.json", help=f"write it as the app reads it: {coverage.PATH}")


def tabulate(options: argparse.Namespace) -> None:
    """Tell for every language how the text encoder reads it, and how well sounds were found in it."""
    from cacara import sources
    from cacara.model import checkpoint

    for path in filter(None, (options.output, options.json)):
        require_writable(path)
    config = checkpoint.read_config(checkpoint.find(options.model))
    reports = [_read(path) for path in options.report]
    texts = texts_of(sources.fetch_all(["cldr", "tuxpaint"], show_progress))
    cut = _tokenizer(config.text.backbone)
    entries, known = _remembered(config)
    table = coverage.build(config.name, config.text.backbone, config.languages, texts, cut, reports, entries, known)
    if options.json:
        atomic.write_text(options.json, to_json(table))
    if options.output:
        atomic.write_text(options.output, to_markdown(table))
    if not (options.json or options.output):
        sys.stdout.write(to_markdown(table))


def to_json(table: Coverage) -> str:
    """Return the table as JSON, a language a line."""
    content = table.to_json()
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in content.pop("rows"))
    head = json.dumps(content, ensure_ascii=False, indent=1)
    return f'{head[:-2]},\n "rows": [\n{rows}\n]}}\n'


def to_markdown(table: Coverage) -> str:
    """Return the table as a Markdown page."""
    trained = sum(row.trained_on for row in table.rows)
    lines = [
        "# Languages",
        "",
        f"{len(table.rows)} languages and variants answer; the encoder, {table.encoder}, was trained on {trained}.",
        "Made by",
        "",
        f"    {coverage.COMMAND} --report DEV.json TEST.json --output docs/coverage.md "
        "--json cacara/languages/coverage.json",
        "",
        f"which also makes the file that the app's tab shows. Recall in percent, of {table.model} on",
        f"{table.benchmark or 'no benchmark'}, text → audio with the language given; in brackets its 95 % interval",
        "over concepts. “–”: not measured, as the benchmark has no texts in that language, or no report was given.",
        "",
        "- **Pieces a word**: into how many pieces the encoder's tokenizer cuts a word; few is good. “–” where words",
        "  are not spaced, or too few texts are known. **Pieces a name** can be compared across scripts: it is counted",
        "  on CLDR's names of the same emoji, or, where CLDR has none, on Tux Paint's descriptions of its stamps.",
        "- **Unknown**: share of pieces that stand for signs that the encoder does not know.",
        f"- **Trained on**: {coverage.ENCODER_SOURCE}. By language, whatever its script.",
        "- **Remembered**: words and phrases that the [lexical memory](lexical-memory.md) holds. **Words known**:",
        "  the share of the words of sounds-v1's texts, dev and test, that it knows, in whatever form.",
        "",
        "| code | language | own name | script | direction | trained on | pieces a word | pieces a name | unknown "
        "| remembered | words known | dev R@10 | test R@10 |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
        *(_line(row) for row in table.rows),
    ]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    cells = [
        row.code,
        row.name,
        row.autonym,
        row.script,
        row.direction,
        "yes" if row.trained_on else "no",
        _number(row.pieces_per_word),
        _number(row.pieces_per_text),
        "–" if row.unknown_share is None else f"{100 * row.unknown_share:.1f} %",
        f"{row.remembered:,}" if row.remembered else "–",
        "–" if row.words_known is None else f"{100 * row.words_known:.0f} %",
        _recall(row.dev),
        _recall(row.test),
    ]
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _recall(found: MeasuredRecall | None) -> str:
    return "–" if found is None else f"{found.recall_at_10:.1f} ({found.low:.1f}–{found.high:.1f})"


def _remembered(config: ModelConfig) -> tuple[Mapping[str, int], Mapping[str, float]]:
    """Return by language how many entries a model's memory holds, and which share of the benchmark's words it knows."""
    from cacara.benchmark.dataset import splits
    from cacara.lexicon import LexiconReader
    from cacara.lexicon import table as lexicon_table
    from cacara.model.parts.lexical_memory import BUNDLED

    if config.memory is None:
        return {}, {}
    place = lexicon_table.BUNDLED if config.memory.lexicon == BUNDLED else Path(config.memory.lexicon)
    table = lexicon_table.read(place)
    reader = LexiconReader(table.under(config.memory.policy))
    queries = [
        query for split in coverage.SPLITS for query in splits.fetch(splits.SOUNDS, split, show_progress).queries
    ]
    return table.words(config.memory.policy), words_known(reader, [(query.language, query.text) for query in queries])


def words_known(reader: LexiconReader, texts: Iterable[tuple[str, str]]) -> dict[str, float]:
    """Return language to the share of the words of its texts that a lexicon knows, English left out.

    Args:
        reader: The lexicon.
        texts: (language, text).
    """
    found: defaultdict[str, float] = defaultdict(float)
    asked: defaultdict[str, float] = defaultdict(float)
    for code, text in texts:
        if languages.base(code) != "en":
            reading = reader.read(text, code)
            found[code] += sum(word.words for word in reading.words)
            asked[code] += reading.length
    return {code: min(1.0, round(found[code] / total, 3)) for code, total in asked.items() if total}


def _read(path: Path) -> dict[str, object]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CacaraError(f"the report {path} cannot be read: {error}") from error


def _tokenizer(backbone: str) -> Callable[[Sequence[str]], list[tuple[int, int]]]:
    """Return the function that cuts texts into pieces as a text encoder does, without its weights."""
    from cacara.encoders import piece_tokenizer, text

    place = str(text.BACKBONES[backbone](show_progress)) if backbone in text.BACKBONES else backbone
    tokenizer = piece_tokenizer.of(place)
    mark = tokenizer.get_vocab().get(
        _WORD_MARK
    )  # stands alone before a piece that never begins a word, and says nothing

    def cut(texts: Sequence[str]) -> list[tuple[int, int]]:
        ids = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return [(len(own) - own.count(mark), own.count(tokenizer.unk_token_id)) for own in ids]

    return cut


def texts_of(folders: Mapping[str, Path]) -> dict[str, list[str]]:
    """Return language to texts: names of emoji, and Tux Paint's descriptions where those are fewer than ``MIN_TEXTS``.

    Args:
        folders: Where ``cldr`` and ``tuxpaint`` were fetched to.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(source_texts.content_folder("cldr", folders["cldr"]).glob("*/annotations.json")):
        rows = json.loads(path.read_text(encoding="utf-8"))["annotations"].get("annotations", {})
        names = [entry["tts"][0].strip() for entry in rows.values() if entry.get("tts")]
        if (code := _code(path.parent.name)) is not None:
            found.setdefault(code, names)
            if code == "zh":  # CLDR's own default, which has no folder of its own
                found.setdefault("zh-Hans", names)
    few = {code for code, names in found.items() if len(names) < MIN_TEXTS}
    described: dict[str, list[str]] = {}
    for path in sorted(source_texts.content_folder("tuxpaint", folders["tuxpaint"]).rglob("*.txt")):
        for locale, text in source_texts.read_stamp_texts(path).items():
            if (code := _code(locale)) is not None and (code not in found or code in few):
                described.setdefault(code, []).append(text)
    return found | {code: names for code, names in described.items() if len(names) >= MIN_TEXTS}


def _code(locale: str) -> str | None:
    try:
        return languages.normalise(locale)
    except LanguageError:
        return None
