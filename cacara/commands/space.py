"""``python -m cacara space``: a folder that can be pushed to Hugging Face Spaces as it is."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from cacara.errors import QueryError
from cacara_files import atomic

CHECKOUT = Path(__file__).parents[2]
NOT_CARRIED = ("tests/", "bundle/", "runs/", ".ci/", ".github/")
START = "start.py"
ZEROGPU = "zerogpu"
ZEROGPU_CARD = {"suggested_hardware": "zero-a10g", "python_version": "3.12"}
"""Names of the Hub; of the Pythons that ZeroGPU has (3.10.13, 3.12.12) the second runs the app."""
ZEROGPU_PACKAGES = "spaces==0.51.3           # lends a GPU for the time of a call\n"
_START = '''"""Start of this Space: the app with the model and the gallery that it was made for."""

import sys

import app

sys.exit(app.main([*{arguments!r}, *sys.argv[1:]]))
'''


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    summary = (space.__doc__ or "").split("\n")[0]
    parser = commands.add_parser("space", help=summary.rstrip("."), description=summary)
    parser.set_defaults(run=space)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument("--model", help="a bundled model's name, or hub:OWNER/NAME@REVISION (default: the app's own)")
    parser.add_argument("--gallery", help="what app.py --gallery takes (default: the app's own)")
    parser.add_argument(
        "--hardware",
        choices=("cpu", ZEROGPU),
        default="cpu",
        help="of the Space (%(default)s); zerogpu: the encoders are lent a GPU for each search",
    )
    parser.add_argument("--title", help="of the Space (default: as in README.md)")


def space(options: argparse.Namespace) -> None:
    """Write a folder that can be pushed to Hugging Face Spaces as it is: the app, pinned packages, models, a card."""
    if not (CHECKOUT / "app.py").is_file():
        raise QueryError(
            f"there is no app.py beside the package {CHECKOUT / 'cacara'}; wanted a checkout of the repository"
        )
    if options.output.exists():
        raise QueryError(f"{options.output} exists; wanted a new folder")
    lent = options.hardware == ZEROGPU
    device = ZEROGPU if lent else None
    given = {"--model": options.model, "--gallery": options.gallery, "--device": device}
    arguments = [each for flag, value in given.items() if value for each in (flag, value)]
    with atomic.replacing(options.output) as partial:
        for name in _tracked():
            if not name.startswith(NOT_CARRIED) and (CHECKOUT / name).is_file():
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(CHECKOUT / name, partial / name)
        changes = {"app_file": START} if arguments else {}
        if arguments:
            (partial / START).write_text(_START.format(arguments=arguments), encoding="utf-8")
        if options.title:
            changes["title"] = options.title
        if lent:
            changes |= ZEROGPU_CARD
            with (partial / "requirements.txt").open("a", encoding="utf-8") as packages:
                packages.write(ZEROGPU_PACKAGES)
        card = partial / "README.md"
        card.write_text(_with_front_matter(card.read_text(encoding="utf-8"), changes), encoding="utf-8")
    sys.stdout.write(f"{options.output}: push it with `hf upload OWNER/NAME {options.output} . --repo-type space`\n")


def _tracked() -> list[str]:
    """Return the names of the files that git knows.

    Raises:
        QueryError: The package does not lie in a git checkout.
    """
    command = ["git", "-c", f"safe.directory={CHECKOUT}", "ls-files", "-z"]
    try:
        listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise QueryError(
            f"git cannot list the files of {CHECKOUT}: {error}; wanted a checkout of the repository"
        ) from error
    return [name for name in listed.split("\0") if name]


def _with_front_matter(card: str, changes: dict[str, str]) -> str:
    """Return a Space's card with other values in its front matter, which configures the Space."""
    import yaml

    _, described, text = card.split("---\n", 2)
    front = yaml.safe_load(described) | changes
    return f"---\n{yaml.safe_dump(front, allow_unicode=True, sort_keys=False)}---\n{text}"
