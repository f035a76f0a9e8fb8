"""Zero-shot classification: sounds and pictures sorted into classes that are named in any language.

A class is named in a language by one or several names; its embedding there is the normalised mean of theirs. A file
belongs to the class whose embedding is nearest, language by language, so that the same recordings sorted with
Swahili names and with German names show what the model makes of each language.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cacara import languages
from cacara.errors import LanguageError, ManifestError
from cacara.metrics import bootstrap_interval, wilson_interval

ACCURACY_DEPTHS = (1, 5)
PREDICTIONS_KEPT = 5
LABEL_COLUMNS = ("label", "language", "name")
TRUTH_COLUMNS = ("file", "label")
MAX_PROBLEMS_TOLD = 20
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


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


def read_labels(path: Path, wanted: Sequence[str] | None = None) -> Labels:
    """Return the classes of a CSV file with the columns ``label``, ``language``, ``name``.

    Args:
        path: UTF-8, a header line, one name a line; several names of a class in a language are several lines.
        wanted: Languages to keep, in this order; None keeps all, sorted.

    Raises:
        ManifestError: The file cannot be read, lines are bad (each is named), or a wanted language has fewer than
            two classes.
        LanguageError: A wanted language is no language code.
    """
    names: dict[str, dict[str, list[str]]] = {}
    problems: list[str] = []
    for number, row in _rows(path, LABEL_COLUMNS, problems):
        try:
            language = languages.normalise(row["language"])
        except LanguageError as error:
            problems.append(f"line {number}: {error}")
            continue
        said = names.setdefault(language, {}).setdefault(row["label"], [])
        if row["name"] in said:
            problems.append(f"line {number}: {row['label']!r:.40} is named {row['name']!r:.40} in {language} twice")
        said.append(row["name"])
    _raise_if_any(path, problems, LABEL_COLUMNS)
    kept = sorted(names) if wanted is None else list(dict.fromkeys(languages.normalise(code) for code in wanted))
    if few := [code for code in kept if len(names.get(code, {})) < 2]:
        raise ManifestError(
            f"{path} names {len(names.get(few[0], {}))} classes in {few[0]!r}; wanted two or more. "
            f"It has names in {', '.join(sorted(names)) or 'no language'}"
        )
    return Labels({code: {label: tuple(said) for label, said in sorted(names[code].items())} for code in kept})


def read_truth(path: Path, files: Collection[str], labels: Labels) -> dict[str, str]:
    """Return file → label of a CSV file with the columns ``file`` and ``label``.

    Args:
        path: UTF-8, with a header line.
        files: The files that are classified; a line about another is a problem.
        labels: The classes; a line with another is a problem.

    Raises:
        ManifestError: The file cannot be read, or lines are bad (each is named).
    """
    truth: dict[str, str] = {}
    problems: list[str] = []
    known = set(labels.all)
    for number, row in _rows(path, TRUTH_COLUMNS, problems):
        file, label = row["file"], row["label"]
        if file not in files:
            problems.append(f"line {number}: there is no sound or picture {file!r:.80}")
        elif label not in known:
            problems.append(f"line {number}: {label!r:.40} is none of the {len(known)} labels")
        elif file in truth:
            problems.append(f"line {number}: {file!r:.80} has a label already, {truth[file]!r:.40}")
        else:
            truth[file] = label
    _raise_if_any(path, problems, TRUTH_COLUMNS)
    return truth


def truth_of_folders(files: Collection[str], labels: Labels) -> dict[str, str]:
    """Return file → label of the files that lie in a folder named after a label, the innermost such folder."""
    known = set(labels.all)
    found = {}
    for file in files:
        folders = [part for part in file.split("/")[:-1] if part in known]
        if folders:
            found[file] = folders[-1]
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


def _rows(path: Path, columns: Sequence[str], problems: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the good lines of a CSV file, stripped; what is wrong with the others goes to ``problems``."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"cannot read {path}: {error}; wanted UTF-8 CSV with {', '.join(columns)}") from error
    reader = csv.DictReader(io.StringIO(content, newline=""), restkey="", strict=True)
    try:
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise ManifestError(
                f"{path}, line 1: the columns {', '.join(reader.fieldnames or ()) or 'none'} lack "
                f"{', '.join(missing)}; wanted {', '.join(columns)}"
            )
        for row in reader:
            values = {column: (row[column] or "").strip() for column in columns}
            if "" in row:
                problems.append(
                    f"line {reader.line_num}: more cells than columns (a name with a comma stands in quotes)"
                )
            elif empty := [column for column, value in values.items() if not value]:
                problems.append(f"line {reader.line_num}: {', '.join(empty)} is empty")
            else:
                yield reader.line_num, values
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: {error}")


def _raise_if_any(path: Path, problems: Sequence[str], columns: Sequence[str]) -> None:
    if problems:
        told = "; ".join(problems[:MAX_PROBLEMS_TOLD])
        more = f"; and {len(problems) - MAX_PROBLEMS_TOLD} more" if len(problems) > MAX_PROBLEMS_TOLD else ""
        raise ManifestError(f"{path}: {told}{more}; wanted {', '.join(columns)} in every line")
