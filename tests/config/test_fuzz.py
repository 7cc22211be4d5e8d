"""Configs damaged at random: each is read, or refused in words and at a place.

A config that still works is written out resolved and read again, and must come out the
same. With `-m long` there is a hundred times as much of everything.
"""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nettrain.component import dump, field_types, registered
from nettrain.config import write_resolved
from nettrain.errors import Error
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import Setup, set_up
from nettrain.nn import Layer

ROOT = Path(__file__).parents[2]
TEXTS = {
    path.relative_to(ROOT / "configs").as_posix(): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "configs").rglob("*.yaml"))
}
SMALL = ("wine.yaml", "moons.yaml", "diabetes.yaml", "mlp.yaml")
"""The configs that are damaged most: their data are read in a blink."""
BREAKS = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
KEYS = sorted({*field_types(Experiment), *registered(Layer)} | {
    "source", "target", "split", "validation", "test", "stratify", "by", "columns",
    "missing", "preprocess", "shape", "batch_size", "units", "activation", "name",
    "learning_rate", "cosine", "peak", "warmup", "epochs", "steps", "stop", "monitor",
    "patience", "checkpoint", "every", "keep", "extends", "patch", "do", "path",
    "value", "adam", "sgd", "silence", "G1", "<<",
})  # fmt: skip
VALUES = [
    "", "~", "true", "no", "0", "-1", "1", "3", "0.5", "1e-3", "1e400", ".nan", "-.inf",
    "1,5", "010", "0x1F", "12:30:45", "2024-01-31", "relu", "text", "'q'", '"\\uD800"',
    '"\\0"', "5 %", "1 epoch", "a.csv", "../data/wine.csv", "config.yaml", "[]", "{}",
    "[1, 2]", "{a: 1}", "*a", "&a x", "!t x", "|", ">", "- x", "? x", "%", "@", "`",
    "validation/loss", "mse", "huber", "auto", "digits", "iris", "standardize", "#",
]  # fmt: skip
TOKEN = re.compile(r"[\w./%-]+|[\[\]{},:]|\n *")
Folder = Path


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """A folder `configs` beside `data`, to work in; whatever hangs is ended."""
    root: Path = tmp_path_factory.mktemp("fuzz")
    shutil.copytree(ROOT / "data", root / "data")
    (root / "configs").mkdir()
    patch = pytest.MonkeyPatch()
    patch.chdir(root / "configs")
    before = signal.signal(signal.SIGALRM, _hangs)
    yield root / "configs"
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    patch.undo()


def _hangs(*_: object) -> None:
    raise TimeoutError("a config was not read within a minute")


def outcome(source: Any, overrides: tuple[str, ...] = ()) -> Setup | None:
    """What a config sets up; None where it is refused as it should be."""
    text = None
    if isinstance(source, (str, bytes)):
        content = source if isinstance(source, bytes) else source.encode()
        Path("config.yaml").write_bytes(content)
        text = content.decode(errors="replace").removeprefix("\ufeff")
        source = "config.yaml"
    signal.alarm(60)
    try:
        return set_up(source, overrides)
    except Error as error:
        errors = getattr(error, "errors", (error,))
        assert len(errors) <= 101
        for each in errors:
            declared(each, text)
        return None
    finally:
        signal.alarm(0)


def declared(error: Error, text: str | None) -> None:
    """Check code, words and place of an error."""
    assert error.exit_code in (2, 3, 8), str(error)
    assert all(c.isprintable() or c == "\n" for c in str(error)), repr(str(error))
    assert len(str(error)) < 4000
    place = error.place
    assert place is not None, str(error)
    if text is None or place.file != "config.yaml":
        return
    lines = BREAKS.split(text)
    assert place.line is not None and place.column is not None, str(error)
    assert 1 <= place.line <= len(lines), str(error)
    line = lines[place.line - 1]
    assert 1 <= place.column <= len(line) + 1, str(error)
    if place.column <= 160:
        assert place.text == "".join(c if c.isprintable() else " " for c in line[:160])
        assert place.column + place.width <= max(len(line) + 2, place.column + 1)


def comes_back(setup: Setup) -> None:
    """Check that a resolved config is read as what it was written from."""
    first, plain = setup.resolved_yaml(), write_resolved(dump(setup.experiment), _none)
    Path("resolved.yaml").write_text(first, encoding="utf-8")
    again = set_up("resolved.yaml")
    assert again.experiment == setup.experiment
    assert write_resolved(dump(again.experiment), _none) == plain
    assert again.config_sha256 == setup.config_sha256
    second = again.resolved_yaml()
    Path("resolved.yaml").write_text(second, encoding="utf-8")
    assert set_up("resolved.yaml").resolved_yaml() == second


def _none(_: object) -> str:
    return ""


# ---------------------------------------------------------------- damage


@st.composite
def damaged(draw: st.DrawFn) -> str | bytes:
    """A config of this project after one to three mishaps."""
    names = st.sampled_from(SMALL) | st.sampled_from(sorted(TEXTS))
    text = TEXTS[draw(names)]
    if draw(st.booleans()):  # comments only hide what is damaged
        text = re.sub(r" *(?<![^\s])#.*", "", text).lstrip("\n")
    for _ in range(draw(st.integers(1, 3))):
        text = draw(st.sampled_from(MISHAPS))(draw, text)
    if draw(st.integers(0, 9)) == 0:
        return flipped(draw, text.encode())
    return text


def _lines(draw: st.DrawFn, text: str) -> str:
    """A line that is missing, twice there, elsewhere, or differently indented."""
    lines = text.split("\n")
    at, to = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    what = draw(
        st.sampled_from(["delete", "repeat", "swap", "indent", "dedent", "tab"])
    )
    if what == "delete":
        del lines[at]
    elif what == "repeat":
        lines.insert(to, lines[at])
    elif what == "swap":
        lines[at], lines[to] = lines[to], lines[at]
    elif what == "tab":
        lines[at] = "\t" + lines[at].lstrip()
    else:
        lines[at] = " " + lines[at] if what == "indent" else lines[at][1:]
    return "\n".join(lines)


def _token(draw: st.DrawFn, text: str) -> str:
    """A word, bracket or line end that is missing, twice there, or another one."""
    tokens = list(TOKEN.finditer(text))
    if not tokens:
        return text
    token = draw(st.sampled_from(tokens))
    # A number written twice would ask for as many rows.
    twice = token[0] * (1 if token[0].isdecimal() else 2)
    other = draw(
        st.sampled_from(["", twice, token[0][:-1], token[0] + "x"])
        | st.sampled_from(KEYS)
        | st.sampled_from(VALUES)
    )
    return text[: token.start()] + other + text[token.end() :]


def _characters(draw: st.DrawFn, text: str) -> str:
    """A stretch of text that is replaced by some characters."""
    begin = draw(st.integers(0, len(text)))
    end = min(len(text), begin + draw(st.integers(0, 3)))
    new = draw(st.text("ax \n\t:,-[]{}&*!#|>'\"%@`?\\\ufeff\u2028é\x7f\r", max_size=3))
    return text[:begin] + new + text[end:]


MISHAPS: list[Callable[[st.DrawFn, str], str]] = [_lines, _token, _token, _characters]


def flipped(draw: st.DrawFn, content: bytes) -> bytes:
    at = draw(st.integers(0, max(0, len(content) - 1)))
    bit = draw(st.integers(0, 7))
    return bytes(b ^ (1 << bit) if i == at else b for i, b in enumerate(content))


def damaged_configs(examples: int) -> None:
    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(damaged())
    def check(config: str | bytes) -> None:
        setup = outcome(config)
        if setup is not None:
            comes_back(setup)

    check()


def test_damaged_configs_are_read_or_refused() -> None:
    damaged_configs(150)


@pytest.mark.long
def test_damaged_configs_are_read_or_refused_at_length() -> None:
    damaged_configs(15_000)


def cut(name: str, stride: int) -> None:
    content = TEXTS[name].encode()
    for end in range(0, len(content) + 1, stride):
        outcome(content[:end])


def test_a_config_may_end_anywhere() -> None:
    cut("mlp.yaml", 7)


@pytest.mark.long
@pytest.mark.parametrize("name", SMALL)
def test_a_config_may_end_anywhere_at_length(name: str) -> None:
    cut(name, 1)


def any_text(examples: int) -> None:
    yaml_like = st.text("ab01:-[]{},&*!#|>'\"%@`? \n\t\\.~<\x00é", max_size=60)
    pieces = st.lists(
        st.sampled_from([*KEYS, *VALUES, ": ", "\n", "  ", "- ", ", ", "[", "{", "}"])
    ).map("".join)

    @settings(max_examples=examples)
    @given(yaml_like | pieces | st.text(max_size=60) | st.binary(max_size=60))
    def check(text: str | bytes) -> None:
        outcome(text)

    check()


def test_any_text_is_read_or_refused() -> None:
    any_text(200)


@pytest.mark.long
def test_any_text_is_read_or_refused_at_length() -> None:
    any_text(20_000)


# ---------------------------------------------------------------- from Python


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 40)
    | st.sampled_from([10**18, -(10**300), 2**63, 10**400])
    | st.floats()
    | st.sampled_from([v for v in VALUES if v])
    | st.text(st.characters(), max_size=4)
    | st.sampled_from([np.int64(3), np.float32(0.5), np.bool_(True), np.zeros(3)])
    | st.sampled_from([b"x", {1}, object(), int, Path("a.csv"), 1j, range(3)])
)
NAMES = st.sampled_from(KEYS) | st.text(max_size=3) | st.sampled_from([1, None, (1,)])
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
        | st.dictionaries(NAMES, inner, max_size=2)
    ),
    max_leaves=6,
)
GOOD: dict[str, Any] = {
    "data": {"source": "iris", "batch_size": 16},
    "model": [{"dense": {"units": 8, "activation": "relu"}}, {"dense": 3}],
    "loss": "cross_entropy",
    "metrics": ["accuracy"],
    "optimizer": {"adam": {"learning_rate": 0.01}},
    "train": {"epochs": 1, "stop": {"patience": 2}},
}


def mappings(examples: int) -> None:
    keys = st.sampled_from([*GOOD, "name", "seed", "diagnose", "patch", "extends", "x"])

    @settings(max_examples=examples)
    @given(st.dictionaries(keys, PLAIN, min_size=1, max_size=2))
    def check(changes: dict[str, Any]) -> None:
        setup = outcome({**GOOD, **changes})
        if setup is not None:
            comes_back(setup)

    check()


def test_mappings_from_python_are_read_or_refused() -> None:
    mappings(100)


@pytest.mark.long
def test_mappings_from_python_are_read_or_refused_at_length() -> None:
    mappings(10_000)


# ---------------------------------------------------------------- edits


PATHS = st.lists(
    st.sampled_from(
        [*KEYS, "0", "1", "9", "dense1", "dense2", "relu1", "moons", "iris", "x"]
    ),
    min_size=1,
    max_size=4,
).map(".".join) | st.sampled_from(
    ["model.dense1.units", "model.0.dense.activation", "optimizer.adam.learning_rate",
     "train.stop.monitor", "data.split.validation", "model", "data.source", "a." * 60]
)  # fmt: skip
WRITTEN = st.sampled_from(VALUES) | st.text(max_size=6)


def edits(examples: int) -> None:
    base = TEXTS["wine.yaml"]
    edit = st.fixed_dictionaries(
        {"do": st.sampled_from(["set", "insert", "remove", "x"]), "path": PATHS},
        optional={"value": PLAIN},
    )
    override = st.tuples(PATHS, WRITTEN).map("=".join) | st.text(max_size=8)

    @settings(max_examples=examples)
    @given(st.lists(override, max_size=3), st.lists(edit, max_size=3))
    def check(overrides: list[str], patch: list[dict[str, Any]]) -> None:
        setup = outcome(base, tuple(overrides))
        if setup is not None:
            comes_back(setup)
        outcome({**GOOD, "patch": patch})

    check()


def test_overrides_and_patches_are_applied_or_refused() -> None:
    edits(80)


@pytest.mark.long
def test_overrides_and_patches_are_applied_or_refused_at_length() -> None:
    edits(8_000)
