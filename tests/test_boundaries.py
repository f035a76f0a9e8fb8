"""The rules of the tree: who may import whom, and where SQL stands."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
ALLOWED = {
    "app": {"ui", "cacara", "feedback_db"},
    "ui": {"cacara", "cacara_files", "feedback_db"},
    "training": {"cacara", "cacara_files", "feedback_db"},
    "cacara": {"cacara_files"},
    "feedback_db": {"cacara_files"},
    "cacara_files": set(),
}
OURS = {*ALLOWED, "tests"}
LAYERS = {
    "cacara": (
        ("errors",),
        ("devices", "languages", "metrics", "offline_page", "working_folders"),
        ("lexicon", "media", "sources"),
        ("encoders", "galleries"),
        ("model",),
        ("search",),
        ("embedding_map", "recordings", "words"),
        ("benchmark",),
        ("commands",),
        ("__main__",),
    ),
    "feedback_db": (("errors",), ("records",), ("store",), ("exchange",), ("__init__", "__main__")),
    "training": (
        ("card", "losses", "run_folder"),
        ("loop", "progress"),
        ("recipe",),
        ("data",),
        ("sounds",),
        ("calibration", "dry_run", "images", "texts"),
        ("mla", "uclip"),
        ("feedback",),
        ("studies",),
        ("__main__",),
    ),
    "ui": (
        ("page",),
        ("services",),
        ("server",),
        ("search",),
        ("about", "annotate", "compare", "improve", "languages", "model_selector", "recordings", "teach"),
        ("review",),
        ("map",),
        ("layout",),
    ),
}
"""The folders and modules of a package, lowest first: each imports what lies lower, and nothing beside or above it."""
PRODUCT = sorted(
    [REPOSITORY / "app.py", *(path for package in ALLOWED for path in (REPOSITORY / package).rglob("*.py"))]
)
TESTS = sorted((REPOSITORY / "tests").rglob("*.py"))
SQL_FOLDER = "feedback_db/store/"
NO_SQL = {"cacara/search/engines.py"}
"""Where ``execute`` is a method of a vector database's client and takes rows."""
SQL = re.compile(
    r"\b(select\b.+\bfrom|insert (or \w+ )?into|update \w+ set|delete from|begin immediate|pragma \w+"
    r"|(create|drop|alter) (temp |unique |virtual )?(table|index|view|trigger))\b",
    re.IGNORECASE | re.DOTALL,
)


def name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def imported(path: Path) -> set[str]:
    """Return the top-level names of all that a file imports, also in functions and under TYPE_CHECKING."""
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)} imports relatively"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_follow_the_arrows(package):
    files = [path for path in PRODUCT if name(path).removesuffix(".py").partition("/")[0] == package]
    assert files
    wrong = {name(path): above for path in files if (above := (imported(path) & OURS) - {package} - ALLOWED[package])}
    assert wrong == {}


def test_the_import_rule_sees_every_kind_of_import(tmp_path):
    text = "import ui.layout as a\ndef f():\n    from training import loop\nif TYPE_CHECKING:\n    import app, os\n"
    (tmp_path / "made.py").write_text(text)
    assert imported(tmp_path / "made.py") & OURS == {"ui", "training", "app"}


def units(path: Path) -> set[str]:
    """Return the folders and modules of its own package that a file imports, one level deep."""
    package = name(path).partition("/")[0]
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            steps = node.module.split(".")
            if steps[0] == package:
                found |= {steps[1]} if len(steps) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names = (alias.name.split(".") for alias in node.names)
            found |= {steps[1] for steps in names if steps[0] == package and len(steps) > 1}
    return found


@pytest.mark.parametrize("package", LAYERS)
def test_imports_inside_a_package_lead_downwards(package):
    level = {unit: number for number, layer in enumerate(LAYERS[package]) for unit in layer}
    present = {path.stem for path in (REPOSITORY / package).iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    assert present - {"__init__"} == level.keys() - {"__init__"}
    wrong = []
    for path in PRODUCT:
        steps = name(path).removesuffix(".py").split("/")
        if steps[0] == package and steps[1] in level:
            above = {unit for unit in units(path) & level.keys() if level[unit] >= level[steps[1]]} - {steps[1]}
            wrong += [f"{name(path)} imports {unit}" for unit in sorted(above)]
    assert wrong == []


def test_sql_stands_in_the_store_only():
    wrong = []
    for path in PRODUCT:
        if name(path).startswith(SQL_FOLDER):
            continue
        for node in nodes(path):
            called = node.attr if isinstance(node, ast.Attribute) and name(path) not in NO_SQL else ""
            if called in ("execute", "executemany", "executescript"):
                wrong.append(f"{name(path)}:{node.lineno} .{called}")
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value):
                wrong.append(f"{name(path)}:{node.lineno} {node.value[:60]!r}")
    assert wrong == []


def test_the_sql_rule_sees_sql_and_no_prose():
    store = [path for path in PRODUCT if name(path).startswith(SQL_FOLDER)]
    assert sum(any(SQL.search(text) for text in _strings(path)) for path in store) >= 8
    for prose in ("Select a sound, then flag it", "update the program", "insert a coin", "created a table of sounds"):
        assert not SQL.search(prose)
    for statement in ("select 1 from x", "INSERT INTO x values (1)", "update x set y = 1", "pragma journal_mode"):
        assert SQL.search(statement)


def _strings(path: Path) -> list[str]:
    return [node.value for node in nodes(path) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_nothing_prints():
    wrong = [
        f"{name(path)}:{node.lineno}"
        for path in PRODUCT
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "modules",
    [
        "cacara, cacara.errors, cacara.galleries.manifest, cacara.galleries.gallery, cacara.sources",
        "cacara.model.config, cacara.languages",
        "cacara.__main__, app",
        "feedback_db.store.store, feedback_db.records.opinions, feedback_db.store.recordings",
        "ui.services.services, ui.search.rendering, ui.services.searches",
    ],
)
def test_light_modules_import_nothing_heavy(modules):
    heavy = ["torch", "transformers", "gradio", "av", "accelerate", "sentencepiece"]
    code = f"import sys, {modules}\nsys.stdout.write(' '.join(set({heavy}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_the_feedback_database_knows_no_model():
    for path in PRODUCT:
        if name(path).startswith("feedback_db/"):
            assert not imported(path) & {"torch", "transformers", "numpy", "gradio"}, name(path)


def test_a_package_does_nothing_when_it_is_imported():
    """An ``__init__`` holds a docstring, imports and constants; that of ``cacara`` the hooks of its lazy names too."""
    for path in PRODUCT:
        if path.name == "__init__.py":
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                plain = isinstance(node, ast.Import | ast.ImportFrom | ast.Assign)
                docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                hook = isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__dir__")
                typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
                lazy = name(path) == "cacara/__init__.py" and (hook or typing)
                assert plain or docstring or lazy, f"{name(path)}:{node.lineno}"


def test_the_public_names_of_cacara_come_from_their_modules_when_first_used():
    code = (
        "import sys, cacara\n"
        "assert 'torch' not in sys.modules\n"
        "for name in cacara.__all__: assert getattr(cacara, name).__name__ == name, name\n"
        "assert 'torch' in sys.modules and set(cacara.__all__) <= set(dir(cacara))\n"
        "try: cacara.Model\n"
        "except AttributeError as error: assert 'wanted one of' in str(error)\n"
        "else: raise SystemExit(1)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
