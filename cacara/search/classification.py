"""Zero-shot classification: sounds and pictures sorted into classes that are named in any language.

A class is named in a language by one or several names; its embedding there is the normalised mean of theirs. A file
belongs to the class whose embedding is nearest, language by language, so that the same recordings sorted with
Swahili names and with German names show what the model makes of each language.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cacara import languages
from cacara.errors import LanguageError, ManifestError
from cacara.galleries.file_names import SHOWN, Names, Unmatched, count
from cacara.languages import mismatch
from cacara.metrics import bootstrap_interval, wilson_interval
from cacara_files import tables
from cacara_files.tables import Fields

ACCURACY_DEPTHS = (1, 5)
PREDICTIONS_KEPT = 5
_LABEL = frozenset("class|class id|category|tag|true label|truth|key".split("|"))
LABEL_FIELDS = Fields(
    {"label": _LABEL, "language": tables.LANGUAGE, "name": tables.TEXT | {"text"}}, ("label", "language", "name")
)
TRUTH_FIELDS = Fields({"file": tables.FILE, "label": _LABEL | {"concept", "name"}}, ("file", "label"))
LIMITS = tables.Limits(64 << 20, 2_000_000)
MAX_PROBLEMS_TOLD = 20
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


Tell = Callable[[str], object]
"""Takes a line for a person."""


def silent(line: str) -> None:
    """Take a line and tell nobody."""


class TextEncoder(Protocol):
    """Anything that embeds texts."""

    def encode_text(
        self, texts: Sequence[str], languages: str | Sequence[str | None] | None = None
    ) -> NDArray[np.float32]:
        """Return float32 ``[N, D]``, L2-normalised."""
        ...


@dataclasses.dataclass(frozen=True)
class Labels:
    """The classes.

    Attributes:
        names: Language → label → its names there, one or more; languages in the order they were asked for.
    """

    names: Mapping[str, Mapping[str, tuple[str, ...]]]

    @property
    def all(self) -> tuple[str, ...]:
        """Every label of any language, sorted."""
        return tuple(sorted({label for rows in self.names.values() for label in rows}))

    @property
    def common(self) -> tuple[str, ...]:
        """The labels that have a name in every language, sorted."""
        return tuple(sorted(set.intersection(*(set(rows) for rows in self.names.values()))))

    def of_common(self) -> Labels:
        """Return the labels that have a name in every language, so that languages can be compared.

        Raises:
            ManifestError: There are fewer than two.
        """
        kept = self.common
        if len(kept) < 2:
            raise ManifestError(
                f"{len(kept)} of {len(self.all)} classes have a name in all of {', '.join(self.names)}; "
                "wanted two or more: name more, or try fewer languages"
            )
        return Labels({code: {label: rows[label] for label in kept} for code, rows in self.names.items()})


@dataclasses.dataclass(frozen=True)
class Prediction:
    """One file in one language.

    Attributes:
        file: As it was given.
        language: Of the names it was compared with.
        labels: The nearest classes, best first.
        scores: Their cosines, float in [-1, 1].
        rank: The true class's rank from 1 among all, ties against us; None where the truth is not known or has no name
            in this language.
    """

    file: str
    language: str
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    rank: int | None


def read_labels(path: Path, wanted: Sequence[str] | None = None, report: Tell = silent) -> Labels:
    """Return the classes of a table with the columns ``label``, ``language``, ``name``.

    Args:
        path: A heading, then one name a line; several names of a class in a language are several lines.
        wanted: Languages to keep, in this order; None keeps all, sorted.
        report: Told how the table was read, its first rows, and what looks wrong in it.

    Raises:
        ManifestError: The file cannot be read, lines are bad (each is named), or a wanted language has fewer than
            two classes.
        LanguageError: A wanted language is no language code.
    """
    names: dict[str, dict[str, list[str]]] = {}
    problems: list[str] = []
    for number, row in _rows(path, LABEL_FIELDS, problems, report):
        try:
            language = languages.normalise(row["language"])
        except LanguageError as error:
            problems.append(f"line {number}: {error}")
            continue
        said = names.setdefault(language, {}).setdefault(row["label"], [])
        if row["name"] in said:
            problems.append(f"line {number}: {row['label']!r:.40} is named {row['name']!r:.40} in {language} twice")
        said.append(row["name"])
    _raise_if_any(path, problems, LABEL_FIELDS.required)
    said_in = {code: [name for several in rows.values() for name in several] for code, rows in names.items()}
    for code in mismatch.english_instead(said_in):
        report(f"{path.name}: the names in {code} read as English; have two columns changed places?")
    kept = sorted(names) if wanted is None else list(dict.fromkeys(languages.normalise(code) for code in wanted))
    if few := [code for code in kept if len(names.get(code, {})) < 2]:
        raise ManifestError(
            f"{path} names {len(names.get(few[0], {}))} classes in {few[0]!r}; wanted two or more. "
            f"It has names in {', '.join(sorted(names)) or 'no language'}"
        )
    return Labels({code: {label: tuple(said) for label, said in sorted(names[code].items())} for code in kept})


def read_truth(path: Path, files: Collection[str], labels: Labels, report: Tell = silent) -> dict[str, str]:
    """Return file → label of a table with the columns ``file`` and ``label``, both spelled as ``Names`` takes it.

    Args:
        path: With a heading.
        files: The files that are classified; a line about another is a problem.
        labels: The classes; a line with another is a problem.
        report: Told how the table was read, its first rows, and how many files have no row.

    Raises:
        ManifestError: The file cannot be read, or lines are bad (each is named).
    """
    truth: dict[str, str] = {}
    problems: list[str] = []
    known, there = Names(labels.all), Names(files)
    for number, row in _rows(path, TRUTH_FIELDS, problems, report):
        file, label = there.find(row["file"]), known.find(row["label"])
        if file is None:
            problems.append(f"line {number}: there is no sound or picture {row['file']!r:.80}")
        elif label is None:
            problems.append(f"line {number}: {row['label']!r:.40} is none of the {len(labels.all)} labels")
        elif file in truth:
            problems.append(f"line {number}: {file!r:.80} has a label already, {truth[file]!r:.40}")
        else:
            truth[file] = label
    _raise_if_any(path, problems, TRUTH_FIELDS.required)
    for sentence in Unmatched(files=tuple(file for file in files if file not in truth)).sentences(path.name):
        report(sentence)
    return truth


def truth_of_folders(files: Collection[str], labels: Labels, report: Tell = silent) -> dict[str, str]:
    """Return file → label of the files that lie in a folder named after a label, the innermost such folder.

    Args:
        files: As they lie below the folder.
        labels: The classes; the folders' names may be spelled as ``Names`` takes it.
        report: Told of folders that are named after no label, if others are.
    """
    known = Names(labels.all)
    found = {}
    others: dict[str, None] = {}
    for file in files:
        folders = file.split("/")[:-1]
        meant = [label for part in folders if (label := known.find(part)) is not None]
        if meant:
            found[file] = meant[-1]
        elif folders:
            others["/".join(folders)] = None
    if found and others:
        first = ", ".join(repr(folder) for folder in list(others)[:SHOWN])
        report(f"{count(list(others), 'folder is', 'folders are')} named after no label: {first}")
    return found


def classify(
    encoder: TextEncoder, embeddings: Mapping[str, NDArray[np.float32]], labels: Labels, truth: Mapping[str, str]
) -> list[Prediction]:
    """Return every file's classes in every language, languages in their order, then files in theirs.

    Args:
        encoder: The model that made ``embeddings``.
        embeddings: File → float32 ``[D]``, L2-normalised, of sounds and pictures alike.
        labels: The classes.
        truth: File → label, of none, some or all files.
    """
    files = list(embeddings)
    stacked = np.stack([embeddings[file] for file in files])
    predictions = []
    for language, names in labels.names.items():
        classes = list(names)
        scores = stacked @ class_embeddings(encoder, names, language).T  # (files, classes)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :PREDICTIONS_KEPT]
        for row, file in enumerate(files):
            predictions.append(
                Prediction(
                    file=file,
                    language=language,
                    labels=tuple(classes[position] for position in best[row]),
                    scores=tuple(float(scores[row, position]) for position in best[row]),
                    rank=_rank(scores[row], classes, truth.get(file)),
                )
            )
    return predictions


def to_report(predictions: Sequence[Prediction], labels: Labels) -> dict[str, Any]:
    """Return the JSON-ready accuracy of predictions in percent, per language and as the mean over languages.

    A language's interval is Wilson's over the files that have a truth there; that of the mean draws files, one draw
    for all languages. ``languages`` has figures only where a truth is known.
    """
    per_language = {}
    for language, names in labels.names.items():
        mine = [prediction for prediction in predictions if prediction.language == language]
        ranks = np.array([prediction.rank for prediction in mine if prediction.rank is not None])
        per_language[language] = {"classes": len(names), "files": len(mine), "with_truth": len(ranks)}
        if len(ranks):
            per_language[language] |= _accuracies(ranks, len(names))
    known = [prediction for prediction in predictions if prediction.rank is not None]
    report: dict[str, Any] = {"languages": per_language, "mean": None}
    if known:
        report["mean"] = {"languages": len({prediction.language for prediction in known})}
        files, spoken = ([getattr(p, name) for p in known] for name in ("file", "language"))
        for depth in ACCURACY_DEPTHS:
            hits = 100.0 * np.array([(p.rank or 0) <= depth for p in known])
            means = [found[f"top_{depth}"] for found in per_language.values() if found["with_truth"]]
            report["mean"][f"top_{depth}"] = round(float(np.mean(means)), 4)
            interval = bootstrap_interval(hits, files, spoken)
            report["mean"][f"ci95_top_{depth}"] = [round(bound, 4) for bound in interval]
    return report


def to_csv(predictions: Sequence[Prediction], truth: Mapping[str, str]) -> str:
    """Return predictions as CSV: a line for each file, language and place, with the truth where it is known.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(("file", "language", "rank", "label", "score", "truth", "correct"))
    for prediction in predictions:
        true = truth.get(prediction.file)
        for place, (label, score) in enumerate(zip(prediction.labels, prediction.scores, strict=True), start=1):
            correct = "" if true is None else ("yes" if label == true else "no")
            texts = (_harmless(prediction.file), prediction.language, place, _harmless(label))
            writer.writerow((*texts, f"{score:.6f}", _harmless(true or ""), correct))
    return written.getvalue()


def _harmless(text: str) -> str:
    text = text.replace("\r", " ")  # which the writer does not quote
    return f"'{text}" if text.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA) else text


def class_embeddings(encoder: TextEncoder, names: Mapping[str, tuple[str, ...]], language: str) -> NDArray[np.float32]:
    """Return the classes' embeddings in a language: the normalised mean of each one's names, float32 ``[classes, D]``.

    Args:
        encoder: Embeds the names.
        names: Label → its names, one or more, in the order of the rows.
        language: Of the names.
    """
    said = [name for several in names.values() for name in several]
    embedded = encoder.encode_text(said, language)
    ends = np.cumsum([len(several) for several in names.values()])
    means = np.stack([group.mean(axis=0) for group in np.split(embedded, ends[:-1])])
    return means / np.linalg.norm(means, axis=1, keepdims=True).clip(min=1e-12)


def _rank(scores: NDArray[np.float32], classes: Sequence[str], true: str | None) -> int | None:
    if true not in classes:
        return None
    position = classes.index(true)
    return int((scores >= scores[position]).sum())  # itself is among them


def _accuracies(ranks: NDArray[np.int64], classes: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for depth in ACCURACY_DEPTHS:
        right = int((ranks <= depth).sum())
        found[f"top_{depth}"] = round(100.0 * right / len(ranks), 4)
        found[f"ci95_top_{depth}"] = [round(bound, 4) for bound in wilson_interval(right, len(ranks))]
        found[f"chance_top_{depth}"] = round(100.0 * min(1.0, depth / classes), 4)
    return found


def _rows(path: Path, fields: Fields, problems: list[str], report: Tell) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the good rows of a table, trimmed; what is wrong with the others goes to ``problems``."""
    wanted = ", ".join(fields.required)
    try:
        table = tables.read_file(
            path, LIMITS, fits=lambda cells: sum(fields.of(cell) is not None for cell in cells) > 1
        )
    except tables.TableError as error:
        raise ManifestError(f"cannot read {path}: {error}; wanted a table with {wanted}") from error
    if table.cut:
        raise ManifestError(f"{path} has more than {LIMITS.rows:,} rows; wanted at most that")
    try:
        columns = tables.match(table.rows[0].cells, fields) if table.rows else None
    except tables.TableError as error:
        raise ManifestError(f"{path}, line {table.rows[0].line}: {error}; wanted {wanted}") from error
    if columns is None:
        found = ", ".join(table.rows[0].cells) if table.rows else "none"
        raise ManifestError(f"{path}, line 1: there is no heading (found {found:.80}); wanted {wanted}")
    for line in table.preview(columns, table.rows[1:]).lines():
        report(f"{path.name}: {line}")
    for number, cells in table.rows[1:]:
        try:
            values = {field: "" for field in fields.required} | columns.values([tables.trimmed(cell) for cell in cells])
        except tables.TableError as error:
            problems.append(f"line {number}: {error}")
            continue
        if empty := [column for column in fields.required if not values[column]]:
            problems.append(f"line {number}: {', '.join(empty)} is empty")
        else:
            yield number, values


def _raise_if_any(path: Path, problems: Sequence[str], columns: Sequence[str]) -> None:
    if problems:
        told = "; ".join(problems[:MAX_PROBLEMS_TOLD])
        more = f"; and {len(problems) - MAX_PROBLEMS_TOLD} more" if len(problems) > MAX_PROBLEMS_TOLD else ""
        raise ManifestError(f"{path}: {told}{more}; wanted {', '.join(columns)} in every line")
