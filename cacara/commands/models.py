"""``python -m cacara models``: which models there are, which one answers, and changing that."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cacara.model.registry import Entry, Registry

DEFAULT_FOLDER = Path("data/models")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``models`` with its own commands."""
    parser = commands.add_parser("models", help="list, promote or roll back models", description=__doc__)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = _add(actions, "list", list_models)
    listing.add_argument("--json", action="store_true", help="write one JSON object, with the history")
    promoting = _add(actions, "promote", promote)
    promoting.add_argument(
        "folder", type=Path, metavar="MODEL", help="the trained model's folder, such as runs/X/final"
    )
    promoting.add_argument("--gate", type=Path, metavar="FILE", help="the gate's report (default: gate.json beside)")
    promoting.add_argument("--force", action="store_true", help="promote although the gate failed or is missing")
    _add(actions, "rollback", rollback)


def list_models(options: argparse.Namespace) -> None:
    """List the bundled and the promoted models; the one that answers has a star."""
    registry = Registry(options.models)
    current, entries = registry.current(), registry.entries()
    if options.json:
        content = {"current": current, "models": [entry.to_json() for entry in entries], "history": registry.history()}
        sys.stdout.write(json.dumps(content, ensure_ascii=False, indent=1) + "\n")
        return
    for entry in entries:
        star = "*" if entry.model_id == current else " "
        sys.stdout.write(f"{star} {entry.model_id:50s} {entry.version:24s} {_standing(entry)}\n")


def promote(options: argparse.Namespace) -> None:
    """Let a trained model answer; refused when its gate failed."""
    entry = Registry(options.models).promote(options.folder, options.gate, force=options.force)
    sys.stdout.write(f"{entry.model_id} answers now ({_standing(entry)})\n")


def rollback(options: argparse.Namespace) -> None:
    """Let the model answer again that did before."""
    sys.stdout.write(f"{Registry(options.models).rollback()} answers now\n")


def _standing(entry: Entry) -> str:
    if entry.promoted_utc is None:
        return "bundled"
    return f"promoted {entry.promoted_utc}, " + ("forced past the gate" if entry.forced else "passed the gate")


def _add(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: object
) -> argparse.ArgumentParser:
    summary = (run.__doc__ or "").split("\n")[0]
    parser = actions.add_parser(name, help=summary.rstrip("."), description=summary)
    parser.set_defaults(run=run)
    parser.add_argument(
        "--models", type=Path, default=DEFAULT_FOLDER, metavar="DIR", help="the models folder (%(default)s)"
    )
    return parser
