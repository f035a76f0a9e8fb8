"""``python -m feedback_db``: look after a feedback database from the command line."""

from __future__ import annotations

import argparse
import dataclasses
import getpass
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cacara_files import tables
from feedback_db.errors import FeedbackError
from feedback_db.exchange.annotation_tools import TOOLS
from feedback_db.exchange.export import FORMATS, anonymised, export
from feedback_db.exchange.importing import read_file
from feedback_db.records.opinions import Adjudication, Caption, Judgement, Preference
from feedback_db.records.people import Record
from feedback_db.store.recordings import recordings_folder
from feedback_db.store.store import Store

DATABASE = Path("feedback.db")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0, or 1 when something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m feedback_db", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for run, words in (
        (stats, "how much feedback there is, by person and campaign"),
        (export_records, "write feedback to a file or folder"),
        (import_records, "add feedback from a JSONL, CSV, TSV or Parquet file"),
        (backup, "copy database and recordings into a new folder while others write"),
        (verify, "check that everything is there and whole"),
        (token, "give a name a new secret token, for a person who has none or lost it"),
        (forget, "list, hand out or delete all that is one person's, by their token"),
    ):
        name = run.__name__.removesuffix("_records")
        command = commands.add_parser(name, help=words, description=words)
        command.add_argument("--database", type=Path, default=DATABASE, help="the database file (default %(default)s)")
        command.set_defaults(run=run)
        _add_options(name, command)
    chosen = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # queries are in every script, whatever the system's encoding
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        if not chosen.database.is_file():
            raise FeedbackError(f"there is no feedback database {chosen.database}; name it with --database")
        with Store(chosen.database, read_only=chosen.run in (stats, export_records, verify)) as store:
            return int(chosen.run(store, chosen))
    except (FeedbackError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130


def stats(store: Store, options: argparse.Namespace) -> int:
    """Tell how much there is, in all, by person and by campaign."""
    counts = store.counts()
    people = store.annotator_statistics()
    campaigns = [(campaign, store.progress(campaign.campaign_id)) for campaign in store.campaigns()]
    if options.json:
        told = {
            "counts": dataclasses.asdict(counts),
            "annotators": [dataclasses.asdict(person) for person in people],
            "campaigns": [
                {"campaign_id": campaign.campaign_id, "name": campaign.name} | dataclasses.asdict(progress)
                for campaign, progress in campaigns
            ],
        }
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        return 0
    labels = ", ".join(f"{number} {label}" for label, number in counts.current.items())
    lines = [
        f"judgements   {counts.judgements} made, {sum(counts.current.values())} count now: {labels}",
        f"captions     {counts.captions}",
        f"preferences  {counts.preferences}",
        f"adjudications {counts.adjudications}",
        f"undone       {counts.undos}",
        f"deleted      {counts.deleted}",
    ]
    for person in people:
        seconds = "" if person.median_seconds is None else f", median {person.median_seconds:.1f} s"
        checks = f", checks {person.checks_right} of {person.checks} right" if person.checks else ""
        lines.append(f"person {tables.shown(person.annotator)}: {person.judgements} judgements{seconds}{checks}")
    for campaign, progress in campaigns:
        lines.append(f"campaign {tables.shown(campaign.name)}: {progress.answers} of {progress.wanted} answers")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def export_records(store: Store, options: argparse.Namespace) -> int:
    """Write what is asked for, in the format asked for."""
    form = options.format or {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl", "": "datasets"}.get(
        options.output.suffix.lower()
    )
    if form is None:
        raise FeedbackError(f"format: found the ending {options.output.suffix!r}, wanted --format {'|'.join(FORMATS)}")
    current = options.current or form in ("datasets", *TOOLS)
    records = _current(store, options.campaign) if current else _all(store, options)
    if options.anonymous:
        records = anonymised(records)
    recordings = recordings_folder(store.path) if options.recordings else None
    written = export(records, options.output, form, recordings)
    sys.stdout.write(f"wrote {written} records to {options.output}\n")
    return 0


def import_records(store: Store, options: argparse.Namespace) -> int:
    """Tell what was understood of a file, add its records, and tell each bad line."""
    read = read_file(options.file)
    problems = list(read.problems)
    added = None
    if read.preview:
        sys.stderr.writelines(f"{line}\n" for line in read.preview.lines())
    if options.check:
        pass
    elif not problems or options.skip_bad:
        added = store.add_records([record for _, record in read.records], skip_bad=options.skip_bad)
        problems += [(read.records[number][0], reason) for number, reason in added.refused.items()]
    for line, reason in sorted(problems):
        sys.stderr.write(f"{options.file}, line {line}: {reason}\n")
    if options.check:
        sys.stdout.write(f"{len(read.records)} good rows, {len(problems)} bad; nothing was imported\n")
        return 1 if problems else 0
    if problems and not options.skip_bad:
        sys.stderr.write(f"error: {len(problems)} bad lines, nothing was imported; mend them or give --skip-bad\n")
        return 1
    if added is not None:
        sys.stdout.write(f"{added.new} new, {added.known} known already, {len(problems)} bad\n")
    return 0


def backup(store: Store, options: argparse.Namespace) -> int:
    """Copy everything into a new folder."""
    store.backup(options.folder)
    sys.stdout.write(f"copied to {options.folder}; to restore, use its feedback.db as the database\n")
    return 0


def verify(store: Store, options: argparse.Namespace) -> int:
    """Check everything and tell each problem."""
    problems = store.verify()
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    if not problems:
        sys.stdout.write(f"{store.path} is whole: {len(store.history())} events\n")
    return 1 if problems else 0


def token(store: Store, options: argparse.Namespace) -> int:
    """Make a token; the one before no longer works."""
    made = store.register(options.annotator, claim=True)
    sys.stdout.write(f"{made}\n")
    return 0


def forget(store: Store, options: argparse.Namespace) -> int:
    """List what is a person's, write it to a ZIP, or delete it for good."""
    secret = (
        options.token_file.read_text(encoding="utf-8").strip() if options.token_file else getpass.getpass("token: ")
    )
    events = store.list_mine(secret)
    recordings = store.list_my_recordings(secret)
    if options.archive is not None:
        store.export_mine(secret, options.archive)
        sys.stdout.write(f"wrote {len(events)} events and {len(recordings)} recordings to {options.archive}\n")
    if not options.delete:
        if options.archive is None:
            sys.stdout.write(f"{len(events)} events, {len(recordings)} recordings; --delete deletes them for good\n")
        return 0
    gone = store.forget(secret)
    sys.stdout.write(
        f"deleted {gone.events} events, {len(gone.recordings)} recordings "
        f"and {gone.others_events} events of others about these\n"
    )
    return 0


def _add_options(name: str, command: argparse.ArgumentParser) -> None:
    flag = "store_true"
    if name == "stats":
        command.add_argument("--json", action=flag, help="as JSON")
    elif name == "export":
        command.add_argument("output", type=Path, help="file ending in .jsonl, .csv or .parquet, or a new folder")
        command.add_argument("--format", choices=FORMATS, help="told by the ending when not given")
        command.add_argument(
            "--current", action=flag, help="only what counts now; always so for datasets and annotation tools"
        )
        command.add_argument("--campaign", help="with --current: only the campaign of this id")
        command.add_argument("--anonymous", action=flag, help="number the people instead of naming them")
        command.add_argument("--recordings", action=flag, help="datasets: copy the recordings too")
        command.add_argument("--people", action=flag, help="JSONL: with the hashes of people's tokens, to move all")
    elif name == "import":
        command.add_argument(
            "file", type=Path, help="a .jsonl, .csv, .tsv, .txt or .parquet file, or .json of Label Studio or Argilla"
        )
        command.add_argument("--check", action=flag, help="show what was understood of it, and import nothing")
        command.add_argument("--skip-bad", action=flag, help="import the good rows even if there are bad ones")
    elif name == "backup":
        command.add_argument("folder", type=Path, help="the folder to make")
    elif name == "token":
        command.add_argument("annotator", help="the name")
    elif name == "forget":
        command.add_argument("--token-file", type=Path, help="file with the token; asked for when not given")
        command.add_argument("--archive", type=Path, help="write all that is theirs to this ZIP")
        command.add_argument("--delete", action=flag, help="delete it for good")


def _current(store: Store, campaign_id: str | None) -> list[Record]:
    opinions: list[Judgement | Caption | Preference | Adjudication] = []
    opinions += store.current_judgements(campaign_id)
    opinions += store.current_captions(campaign_id)
    opinions += store.current_preferences(campaign_id)
    opinions += store.current_adjudications(campaign_id)
    return list(opinions)


def _all(store: Store, options: argparse.Namespace) -> list[Record]:
    if options.campaign is not None:
        raise FeedbackError("--campaign: found no --current, wanted both: undos belong to no campaign")
    return store.records(people=options.people)


if __name__ == "__main__":
    sys.exit(main())
