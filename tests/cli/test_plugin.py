"""Components of a person's own, from a file named on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nettrain.component import family
from tests.cli.conftest import Call

PLUGIN = '''
from __future__ import annotations

from nettrain.component import register
from nettrain.nn import Activation


@register("cubic")
class Cubic(Activation):
    """f(z) = scale · z³.

    Attributes:
        scale: what z³ is multiplied by.
    """

    scale: float = 0.5

    def formula(self, z):
        return z * z * z * self.scale
'''

BROKEN = {
    "a module that is not there": ("import none_such\n", 1, 1, "ModuleNotFoundError"),
    "not Python": ("x = 1\ny = (\n", 2, 5, "SyntaxError"),
    "a mistake in a function": (
        "def f():\n    return 1 / 0\n\nf()\n",
        2,
        12,
        "ZeroDivisionError",
    ),
    "an end": ("import sys\nsys.exit(0)\n", 2, 1, "SystemExit"),
}


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What a plugin registers is gone after the test."""
    yield
    family.forget("cubic")


def test_a_plugin_s_component(call: Call, folder: Path) -> None:
    (folder / "mine.py").write_text(PLUGIN)
    setting = "model.dense1.activation=cubic"
    answer = call("check", "config.yaml", setting, "--plugin", "mine.py", "--json")
    assert answer.code == 0
    assert len(json.loads(answer.out)["layers"]) == 2
    explained = call("explain", "cubic.scale", "--plugin", "mine.py")
    assert "what z³ is multiplied by." in explained.out


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin(call: Call, folder: Path, case: str) -> None:
    text, line, column, kind = BROKEN[case]
    (folder / "mine.py").write_text(text)
    answer = call("run", "config.yaml", "--plugin", "mine.py")
    assert (answer.code, answer.out) == (2, "")
    begin = f"error[usage-plugin] mine.py:{line}:{column}: the plugin failed: {kind}:"
    assert answer.err.startswith(begin)
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("class E(Exception):\n message = 'm'\nraise E('x')", "usage-plugin", "E: x"),
        (
            "class E(Exception):\n def __str__(self): return 1 / 0\nraise E",
            "usage-plugin",
            "E, whose text is lost to a ZeroDivisionError",
        ),
        ("\n\nraise MemoryError('too much')", "memory-full", "MemoryError: too much"),
        (
            "from nettrain.errors import Error\n\nraise Error('data-x', 'none there')",
            "usage-plugin",
            "none there",
        ),
    ],
)
def test_what_an_exception_of_a_plugin_says(
    call: Call, folder: Path, text: str, code: str, said: str
) -> None:
    (folder / "mine.py").write_text(text)
    answer = call("run", "config.yaml", "--plugin", "mine.py")
    told = answer.err.splitlines()
    assert told[0] == f"error[{code}] mine.py:3:1: the plugin failed: {said}"
    assert answer.code == (8 if code == "memory-full" else 2)


def test_no_plugin_file(call: Call, folder: Path) -> None:
    answer = call("run", "config.yaml", "--plugin", "none.py")
    assert answer.code == 2
    assert 'there is no plugin file "none.py"' in answer.err
    (folder / "mine.txt").write_text("")
    answer = call("run", "config.yaml", "--plugin", "mine.txt")
    assert answer.code == 2
    assert "is no Python file" in answer.err


def test_a_plugin_that_fails_later(call: Call, folder: Path) -> None:
    text = PLUGIN.replace("return z * z", "return self.none + z * z")
    (folder / "mine.py").write_text(text)
    line = text[: text.index("self.none")].count("\n") + 1
    setting = "model.dense1.activation=cubic"
    answer = call("run", "config.yaml", setting, "--plugin", "mine.py")
    assert (answer.code, answer.out) == (2, "")
    assert f"error[usage-plugin] {folder / 'mine.py'}:{line}:16:" in answer.err
    assert "the plugin failed: AttributeError: " in answer.err
