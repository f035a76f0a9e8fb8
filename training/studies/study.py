"""Studies: variants of a recipe, made with several seeds, measured on dev and laid side by side.

A study is a YAML file beside this module: ``title``, ``variants`` and ``tables``, and perhaps ``reference`` (the
variant that others are compared with), ``seeds``, ``languages`` (those that are measured; all when not given) and
``defaults`` (what variants share). A variant has a ``title``, ``make`` (a name of ``makers.MAKERS``) and that maker's
arguments. A cell is one variant with one seed; it is made and measured once and kept as a file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cacara_files import atomic
from training.run_folder import RunError
from training.studies import makers
from training.studies.cells import Cell, Context, Perform
from training.studies.dev_split import DevSplit
from training.studies.table import Table, to_markdown

FOLDER = Path(__file__).parent
REPORT = "study"
_FIELDS = {"title", "reference", "seeds", "languages", "defaults", "variants", "tables"}

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Variant:
    """One row of a study's tables.

    Attributes:
        name: Of its files and of ``--only``.
        title: Of its row.
        make: The maker's name.
        arguments: The maker's.
        seeds: One cell for each.
    """

    name: str
    title: str
    make: str
    arguments: Mapping[str, Any]
    seeds: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Study:
    """What is compared, and how it is shown.

    Attributes:
        title: Heading of the report.
        variants: Rows by name, in order.
        tables: Tables of the report.
        reference: The variant that others are compared with.
        languages: Languages whose texts are measured; all of dev when empty.
    """

    title: str
    variants: Mapping[str, Variant]
    tables: tuple[Table, ...]
    reference: str
    languages: tuple[str, ...] = ()


def read(name: str, seeds: Sequence[int] = ()) -> Study:
    """Return a study.

    Args:
        name: Of a file beside this module, without its ending; or a YAML file.
        seeds: In place of the study's own.

    Raises:
        RunError: There is no such study, or its file is malformed.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.yaml")))
        raise RunError(f"there is no study {name!r:.80}; wanted one of {known}, or a YAML file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not {"title", "variants", "tables"} <= content.keys() <= _FIELDS:
            raise ValueError(f"wanted title, variants and tables, and nothing but {', '.join(sorted(_FIELDS))}")
        own = tuple(seeds or content.get("seeds", (0,)))
        defaults = content.get("defaults", {})
        variants = {key: _variant(key, defaults | (row or {}), own) for key, row in content["variants"].items()}
        reference = content.get("reference", next(iter(variants)))
        tables = tuple(Table.from_json(row, variants) for row in content["tables"])
        if reference not in variants:
            raise ValueError(f"the reference {reference!r} is no variant; wanted one of {', '.join(variants)}")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise RunError(f"{path} is no study: {' '.join(str(error).split())}") from error
    return Study(content["title"], variants, tables, reference, tuple(content.get("languages", ())))


def run(study: Study, output: Path, perform: Perform, only: Sequence[str] = ()) -> Path:
    """Make and measure the cells that are not done, and write ``study.json`` and ``study.md`` of all that are.

    Args:
        study: Study to run.
        output: Holds a file and perhaps a run's folder for each cell, and the report; run again to go on.
        perform: Runs a command of ``python -m training``.
        only: Names of variants; all when empty.

    Returns:
        The Markdown file.

    Raises:
        RunError: A name is unknown, a training failed, or ``output`` holds a cell that was made otherwise.
        CacaraError: A model, a benchmark or a package cannot be loaded.
    """
    if unknown := [name for name in only if name not in study.variants]:
        raise RunError(f"unknown variant {unknown[0]!r:.60}; wanted one of {', '.join(study.variants)}")
    split = DevSplit(study.languages)
    for variant, seed in _cells(study):
        path = output / f"{variant.name}-{seed}.json"
        record = _record(study, variant, seed)
        if (not only or variant.name in only) and _done(path, record) is None:
            made = makers.MAKERS[variant.make]
            context = Context(split, output / f"{variant.name}-{seed}", seed, perform)
            cell = made(context, **variant.arguments)
            atomic.write_text(
                path, json.dumps({"record": record, **dataclasses.asdict(cell)}, ensure_ascii=False) + "\n"
            )
            log.info("%s, seed %d: %d queries", variant.name, seed, len(cell.rows))
            report(study, output)
    return report(study, output)


def report(study: Study, output: Path) -> Path:
    """Write the tables of the cells that are done; return the Markdown file."""
    cells: dict[str, list[Cell]] = {}
    for variant, seed in _cells(study):
        cell = _done(output / f"{variant.name}-{seed}.json", _record(study, variant, seed))
        if cell is not None:
            cells.setdefault(variant.name, []).append(cell)
    titles = {name: variant.title for name, variant in study.variants.items()}
    tables = [table.compute(cells, titles, study.reference) for table in study.tables]
    atomic.write_text(output / f"{REPORT}.json", json.dumps(tables, ensure_ascii=False, indent=1) + "\n")
    text = "\n".join([f"# {study.title}\n", *(to_markdown(table) for table in tables)])
    atomic.write_text(output / f"{REPORT}.md", text)
    return output / f"{REPORT}.md"


def _cells(study: Study) -> Iterator[tuple[Variant, int]]:
    """Yield the cells, all variants with a seed before those with the next."""
    for seed in dict.fromkeys(seed for variant in study.variants.values() for seed in variant.seeds):
        yield from ((variant, seed) for variant in study.variants.values() if seed in variant.seeds)


def _variant(name: str, row: Mapping[str, Any], seeds: tuple[int, ...]) -> Variant:
    arguments = {key: value for key, value in row.items() if key not in ("title", "make", "seeds")}
    maker = makers.MAKERS.get(row.get("make", ""))
    if maker is None:
        raise ValueError(f"{name}: make is {row.get('make')!r}; wanted one of {', '.join(makers.MAKERS)}")
    try:
        inspect.signature(maker).bind(None, **arguments)
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from error
    fixed = row["make"] in makers.FIXED or (maker is makers.training and "seed_option" not in arguments)
    own = seeds[:1] if fixed else seeds  # what is not random is made once
    return Variant(name, str(row.get("title", name)), row["make"], arguments, tuple(row.get("seeds", own)))


def _record(study: Study, variant: Variant, seed: int) -> dict[str, Any]:
    """Return what decides a cell, JSON-ready."""
    record = {"make": variant.make, "seed": seed, "languages": study.languages, "arguments": variant.arguments}
    if recipe := variant.arguments.get("recipe"):
        try:
            record["recipe"] = hashlib.sha256(makers.recipe_path(recipe).read_bytes()).hexdigest()[:12]
        except OSError as error:
            raise RunError(f"the recipe of {variant.name} cannot be read: {error}") from error
    return json.loads(json.dumps(record))


def _done(path: Path, record: Mapping[str, Any]) -> Cell | None:
    """Return the cell of a file; None if there is no such file.

    Raises:
        RunError: It was made otherwise, or cannot be read.
    """
    if not path.is_file():
        return None
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        same, cell = row["record"] == record, Cell(tuple(tuple(each) for each in row["rows"]), row["facts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read ({error}); delete it") from error
    if not same:
        raise RunError(f"{path} was made with other options; name another folder, or delete it")
    return cell
