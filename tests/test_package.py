"""The installed library: a wheel in an environment of its own, and what it says that it needs."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import resource
import shutil
import site
import subprocess
import sys
import tomllib
import wave
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from cacara.sources import cache_folder

ROOT = Path(__file__).parents[1]
PACKAGES = ("cacara", "cacara_files", "feedback_db")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment with the wheel, in which only the packages of others come from this one."""
    place = tmp_path_factory.mktemp("package")
    source = place / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q"]
    options = ["--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *options, "-w", str(place), str(source)], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / "venv")], check=True)
    python = place / "venv" / "bin" / "python"
    (wheel,) = place.glob("*.whl")
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], check=True)
    (packages,) = (place / "venv").glob("lib/python*/site-packages")
    (packages / "others.pth").write_text("\n".join(site.getsitepackages()))
    return place / "venv" / "bin"


def run(command: list[str | Path], folder: Path) -> str:
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "CACARA_CACHE": str(cache_folder())}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.weights
def test_the_lines_of_the_readme_run(environment, tmp_path):
    (lines,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    with wave.open(str(tmp_path / "bark.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((np.random.default_rng(0).normal(size=16_000) * 8_000).astype("<i2").tobytes())
    printed = run([environment / "python", "-c", f"{lines}\nprint(cacara.__file__)"], tmp_path)
    *scores, module = printed.splitlines()
    assert len(re.findall(r"-?\d\.\d+", " ".join(scores))) == 2, "two texts, one sound"
    assert module.startswith(str(environment.parent)), "the wheel's package, not the checkout's"


@pytest.mark.weights
def test_the_commands_are_there_with_the_bundled_models(environment, tmp_path):
    assert "evaluate" in run([environment / "cacara", "--help"], tmp_path)
    assert "export" in run([environment / "feedback-db", "--help"], tmp_path)
    bundled = "from cacara.model import checkpoint; print(*checkpoint.bundled())"
    names = run([environment / "python", "-c", bundled], tmp_path)
    assert names.split() == ["cacara", "cacara-plus", "cacara-studio", "mla", "uclip"]
    for package in ("cacara", "feedback_db"):
        typed = f"import pathlib, {package}; print(pathlib.Path({package}.__file__).with_name('py.typed').is_file())"
        assert run([environment / "python", "-c", typed], tmp_path) == "True\n"


def test_importing_the_library_costs_next_to_nothing():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    heavy = "import sys, cacara; print(*({'torch', 'numpy', 'transformers'} & sys.modules.keys()))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.check_output([sys.executable, "-c", heavy], env=environment, text=True).strip() == ""
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def imported(package: str) -> set[str]:
    """The top-level names of others that a package imports."""
    names = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {*PACKAGES}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_is_of_a_dependency_and_every_pin_satisfies_it():
    optional = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    needed = {normal(Requirement(line).name): Requirement(line) for line in (*PROJECT["dependencies"], *optional)}
    distributions = importlib.metadata.packages_distributions()
    for package in PACKAGES:
        for name in imported(package):
            assert {normal(found) for found in distributions[name]} & needed.keys(), f"{package} imports {name}"
    for name, requirement in needed.items():
        assert importlib.metadata.version(name) in requirement.specifier, f"{name} of this environment: {requirement}"
