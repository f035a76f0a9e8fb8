"""Every test that SECURITY.md and docs/robustness.md name is there, and every threat names one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("SECURITY.md", "docs/robustness.md")
NAMED = re.compile(r"(?<![\w/])((?:[a-z_]+/)*test_\w+)\.py(?:::(test_\w+))?")


def rows(document: str) -> list[str]:
    """Return the rows of a document's tables that say what is tested."""
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    tested = False
    found = []
    for line in lines:
        if not line.startswith("|"):
            tested = False
        elif re.search(r"\| test \|", line):
            tested = True
        elif tested and not line.startswith("|--"):
            found.append(line)
    return found


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_a_document_names_is_there(document):
    named = NAMED.findall((ROOT / document).read_text(encoding="utf-8"))
    assert len(named) > 15
    for file, function in named:
        path = ROOT / "tests" / f"{file.removeprefix('tests/')}.py"
        assert path.is_file(), f"{document} names {path.name}, which is not there"
        if function:
            assert f"def {function}(" in path.read_text(encoding="utf-8"), f"{document}: no {function} in {path.name}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_row_of_a_table_of_tests_names_one(document):
    found = rows(document)
    assert len(found) > 10
    assert [row for row in found if not NAMED.search(row)] == []
