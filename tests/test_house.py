"""The rules of the house: rooms, style, types, and no trace of any one machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "nettrain").rglob("*.py"))


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
    ],
    ids=["lint", "format", "types"],
)
def test_tools_are_content(command: tuple[str, ...]) -> None:
    done = run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rooms_import_only_what_lies_below_them() -> None:
    code = "from importlinter.cli import lint_imports_command as c; c([])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_and_functions_are_short() -> None:
    long: list[str] = []
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT)
        if text.count("\n") > 640:
            long.append(f"{name}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > 66:
                    long.append(f"{name}:{node.lineno} {node.name}: {lines} lines")
    assert long == []


def test_no_room_without_a_name_of_its_own() -> None:
    names = {path.stem for path in SOURCES}
    assert names & {"utils", "helpers", "misc", "common", "base"} == set()


def test_no_path_of_a_machine() -> None:
    pattern = re.compile(r"(^|[^A-Za-z0-9_.])/(wor[k]|roo[t]|hom[e])/")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    for name in listed:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".yaml") and path.exists():
            assert not pattern.search(path.read_text(encoding="utf-8")), name


def test_the_public_names_are_there() -> None:
    import nettrain as nt

    for name in dir(nt):
        assert getattr(nt, name) is not None
    with pytest.raises(AttributeError):
        nt.no_such_name  # noqa: B018
