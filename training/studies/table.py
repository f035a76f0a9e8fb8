"""Tables of studies: what the rows of cells come to, with intervals, and against the reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cacara.benchmark.figures import RECALL_DEPTHS, rounded
from cacara.benchmark.outcome import is_other
from cacara.benchmark.significance import Difference, holm, paired_difference
from cacara.metrics import bootstrap_interval
from training.studies.cells import Cell, Row

OTHERS = "others"
Show = Literal["recalls", "score", "difference"]


@dataclasses.dataclass(frozen=True)
class Column:
    """Queries that belong together. Their mean is over languages, each counting the same.

    Attributes:
        title: Heading.
        sets: Sets of queries; with several, a language counts once for each.
        languages: BCP-47 codes, ``[others]`` for all but English, or empty for all.
        show: ``recalls`` at 1, 5 and 10; ``score``, the mean recall over ``depths`` with its interval; ``difference``
            of the score from the reference's.
        depths: Of the score.
        dictionary: Keep only queries that FreeDict translates as a whole, or only the others.
    """

    title: str
    sets: tuple[str, ...]
    languages: tuple[str, ...] = ()
    show: tuple[Show, ...] = ("recalls",)
    depths: tuple[int, ...] = (10,)
    dictionary: bool | None = None

    def choose(self, cells: Sequence[Cell]) -> Answers:
        """Return the answers of a variant's cells to the column's queries."""
        kept = [[row for row in cell.rows if self._holds(row)] for cell in cells]
        return Answers(tuple(tuple(rows) for rows in kept), self.depths)

    def _holds(self, row: Row) -> bool:
        kind, language, _, query, _ = row
        if kind not in self.sets or (self.dictionary is not None and _is_known(query, language) != self.dictionary):
            return False
        return not self.languages or language in self.languages or (self.languages == (OTHERS,) and is_other(language))


@dataclasses.dataclass(frozen=True)
class Answers:
    """The answers of one variant to the queries of one column.

    Attributes:
        seeds: The rows of each seed.
        depths: Of the score.
    """

    seeds: tuple[tuple[Row, ...], ...]
    depths: tuple[int, ...]

    def values(self, depths: Sequence[int]) -> NDArray[np.float64]:
        """Return 0 to 100 for each query of all seeds, one seed after another."""
        ranks = np.array([row[4] for rows in self.seeds for row in rows])
        return np.mean([np.where(ranks <= depth, 100.0, 0.0) for depth in depths], axis=0)

    @property
    def concepts(self) -> NDArray[np.str_]:
        """The concept of each query."""
        return np.array([row[2] for rows in self.seeds for row in rows])

    @property
    def strata(self) -> NDArray[np.str_]:
        """Set and language of each query."""
        return np.array([f"{row[0]} {row[1]}" for rows in self.seeds for row in rows])

    def mean(self, depths: Sequence[int]) -> float:
        """Return the mean over seeds of the mean over languages."""
        return float(np.mean(self.by_seed(depths)))

    def by_seed(self, depths: Sequence[int]) -> list[float]:
        """Return the mean over languages of each seed."""
        means = []
        for rows in self.seeds:
            own = Answers((rows,), self.depths)
            values, strata = own.values(depths), own.strata
            means.append(float(np.mean([values[strata == name].mean() for name in np.unique(strata)])))
        return means

    def minus(self, other: Answers) -> tuple[Difference, list[float]] | None:
        """Return by how much it is above another variant, in all and by seed; None where they share no queries.

        A variant of one cell, which is not random, stands for all seeds.
        """
        theirs = other.seeds * len(self.seeds) if len(other.seeds) == 1 else other.seeds[: len(self.seeds)]
        pairs = [(ours, own) for ours, own in zip(self.seeds, theirs, strict=False) if _keys(ours) == _keys(own)]
        if not pairs or not pairs[0][0]:
            return None
        mine, base = (Answers(tuple(pair[side] for pair in pairs), self.depths) for side in (0, 1))
        found = paired_difference(base.values(self.depths), mine.values(self.depths), mine.concepts, mine.strata)
        each = zip(mine.by_seed(self.depths), base.by_seed(self.depths), strict=True)
        return found, [rounded(after - before) for after, before in each]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of a study.

    Attributes:
        title: Above it.
        columns: Columns shown of each variant.
        variants: Names of its rows; all when empty.
        facts: Names of facts of the cells that are shown too.
    """

    title: str
    columns: tuple[Column, ...]
    variants: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, row: Mapping[str, Any], known: Mapping[str, object]) -> Table:
        """Return the table that a study's file describes.

        Raises:
            ValueError: A variant is not known.
            TypeError: A field is missing or unknown.
        """
        columns = tuple(Column(**{name: _tuple(value) for name, value in column.items()}) for column in row["columns"])
        if unknown := [name for name in row.get("variants", ()) if name not in known]:
            raise ValueError(f"the table {row['title']!r} has a row {unknown[0]!r}; wanted names of variants")
        lists = {name: tuple(row.get(name, ())) for name in ("variants", "facts")}
        return cls(row["title"], columns, **lists)

    def compute(self, cells: Mapping[str, Sequence[Cell]], titles: Mapping[str, str], reference: str) -> dict[str, Any]:
        """Return the table, JSON-ready, percentages throughout.

        Args:
            cells: Name → the cells that are done.
            titles: Name → title of every variant, in order.
            reference: The variant that others are compared with.
        """
        names = [name for name in self.variants or titles if name in cells]
        rows: list[dict[str, Any]] = [
            {"name": name, "title": titles[name], "seeds": len(cells[name]), "columns": [], "facts": {}}
            for name in names
        ]
        for column in self.columns:
            answers = {name: column.choose(cells[name]) for name in {*names, *({reference} & cells.keys())}}
            found = [_figures(column, answers[name], answers.get(reference), name == reference) for name in names]
            _correct(found)
            for row, figures in zip(rows, found, strict=True):
                row["columns"].append(figures)
        for row in rows:
            facts = [cell.facts for cell in cells[row["name"]]]
            row["facts"] = {name: [own[name] for own in facts if name in own] for name in self.facts}
        return {"title": self.title, "columns": [dataclasses.asdict(column) for column in self.columns], "rows": rows}


def _tuple(value: Any) -> Any:  # noqa: ANN401
    return tuple(value) if isinstance(value, list) else value


def _figures(column: Column, own: Answers, reference: Answers | None, is_reference: bool) -> dict[str, Any] | None:
    if not all(own.seeds):
        return None
    found: dict[str, Any] = {f"recall_at_{depth}": rounded(own.mean((depth,))) for depth in RECALL_DEPTHS}
    found["queries"] = len(own.seeds[0])
    by_seed = own.by_seed(column.depths)
    if len(by_seed) > 1:
        found["std"] = rounded(np.std(by_seed, ddof=1))
    if {"score", "difference"} & set(column.show):
        bounds = bootstrap_interval(own.values(column.depths), own.concepts, own.strata)
        found["score"] = {"mean": rounded(np.mean(by_seed)), "ci95": [rounded(bound) for bound in bounds]}
    if "difference" in column.show and reference is not None and not is_reference and (both := own.minus(reference)):
        change, each = both
        interval = [rounded(change.lower), rounded(change.upper)]
        found["against_reference"] = {
            **{"difference": rounded(change.difference), "ci95": interval, "p": round(change.p, 6)},
            "by_seed": each,
        }
    return found


def _correct(found: Sequence[dict[str, Any] | None]) -> None:
    """Add p-values after Holm over the rows of a column."""
    tested = [row["against_reference"] for row in found if row and "against_reference" in row]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = round(float(p), 6)


def _keys(rows: Sequence[Row]) -> list[tuple[str, str, str, str]]:
    return [row[:4] for row in rows]


def _is_known(text: str, language: str) -> bool:
    from training.studies.dictionary import freedict

    return freedict().translate(text, language) is not None


def to_markdown(table: Mapping[str, Any]) -> str:
    """Return a table as Markdown."""
    heads = [_heads(column) for column in table["columns"]]
    facts = list(dict.fromkeys(name for row in table["rows"] for name in row["facts"]))
    titles = [table["title"], "seeds", *(head for several in heads for head in several), *facts]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row in table["rows"]:
        cells = [row["title"], str(row["seeds"])]
        for column, figures in zip(table["columns"], row["columns"], strict=True):
            cells += _shown(column["show"], figures)
        lines.append(f"| {' | '.join([*cells, *(_fact(row['facts'].get(name, [])) for name in facts)])} |")
    return "\n".join(lines) + "\n"


def _heads(column: Mapping[str, Any]) -> list[str]:
    depths = "AR" if len(column["depths"]) > 1 else f"R@{column['depths'][0]}"
    heads = {
        "recalls": "R@1 / 5 / 10",
        "score": f"{depths}, 95 %",
        "difference": f"{depths} − reference, 95 %, p (Holm)",
    }
    return [f"{column['title']}, {heads[what]}" for what in column["show"]]


def _shown(show: Sequence[str], figures: Mapping[str, Any] | None) -> list[str]:
    if figures is None:
        return ["–"] * len(show)
    spread = f" ± {figures['std']:.1f}" if "std" in figures else ""
    cells = {"recalls": " / ".join(f"{figures[f'recall_at_{depth}']:.1f}" for depth in RECALL_DEPTHS)}
    if "score" not in show:
        cells["recalls"] += spread
    if "score" in figures:
        lower, upper = figures["score"]["ci95"]
        cells["score"] = f"{figures['score']['mean']:.1f}{spread} ({lower:.1f} to {upper:.1f})"
    if change := figures.get("against_reference"):
        lower, upper = change["ci95"]
        cells["difference"] = f"{change['difference']:+.1f} ({lower:+.1f} to {upper:+.1f}), {change['p_holm']:.3f}"
    return [cells.get(what, "–") for what in show]


def _fact(values: Sequence[Any]) -> str:
    if not values:
        return "–"
    if all(isinstance(value, bool) for value in values):
        return f"{sum(values)} of {len(values)}"
    return f"{np.mean(values):,.0f}"
