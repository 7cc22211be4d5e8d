"""Texts of up to 1 MiB made to take long: each is read or refused soon, and in little.

What a text may take grows with its length alone. The worst that a search found, very
many small values, takes about two seconds and 40 MiB; what is tried here would take
hours, or all memory, if any step took time by the square of it.
"""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from nettrain.component import Problem, build, show
from nettrain.config import parse
from nettrain.config.reader import BYTES
from nettrain.config.tree import Source
from nettrain.errors import Error, Errors
from nettrain.experiment.setup import set_up
from nettrain.training.metrics import Metric
from nettrain.training.settings import Stop

SOURCE = Source("a.yaml", "file", Path())
GOOD = "data: {source: iris}\nmodel: [dense: 8, dense: 3]\nloss: cross_entropy\n"


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    """What blows up is ended, long after anything that does not."""

    def hangs(*_: object) -> None:
        raise TimeoutError("a text took more than a minute")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def full(unit: str, length: int, begin: str = "") -> str:
    """A text that repeats some characters."""
    return (begin + unit * (length // len(unit) + 1))[:length]


def read(text: str) -> str:
    """What comes of a text: a code, or nothing."""
    try:
        faults = parse(text, SOURCE).faults
    except Error as error:
        for each in getattr(error, "errors", (error,)):
            assert each.exit_code == 2
            assert len(str(each)) < 1000
        return error.code
    assert len(faults) <= 101
    return ""


def merge_bomb(levels: int) -> str:
    lines = ["a0: &a0 {k: 1}"]
    for i in range(levels):
        lines.append(f"a{i + 1}: &a{i + 1}\n  <<: [*a{i}, *a{i}, *a{i}, *a{i}]")
    return "\n".join(lines)


def alias_bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for i in range(levels):
        lines.append(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]")
    return "\n".join(lines)


@pytest.mark.parametrize("bomb", [merge_bomb, alias_bomb])
def test_what_grows_by_every_level_is_not_written_out(bomb) -> None:
    assert read(bomb(3)) == ""
    for levels in (12, 20, 40):
        assert read(bomb(levels)) == "config-limit"


UNITS = [
    "[", "{", "- ", "? ", "&a ", "*a ", "!a ", "!", "'", '"', "a: ", "a\n", "a ", "a",
    "[,", "\n", " \n", "#", "# x\n", "---\n", "%\n", "a:b ", "\\", ":", "''", "\r",
    "\u2028", "\ufeff", "1", "9", "[a: ", "- - ",
]  # fmt: skip
SLOW = [
    "a: b\n", "a:\n", "a: |\n", "a: >\n x\n", "a: '\n", "- a\n", "-\n", "<<: a\n",
    "- - - - - a\n", "? a\n", "? [a]\n: 1\n", "1: a\n", "- !a b\n", "a: 1\r\n",
]  # fmt: skip
FLOW = [
    "a,",
    "'a',",
    "a: b,",
    "? a,",
    "{},",
    "[[],[]],",
    "a\n",
    "!a b,",
    "1: 1,",
    "*a,",
]


@pytest.mark.parametrize("unit", UNITS)
def test_a_hundred_kibibytes_of_one_thing(unit: str) -> None:
    code = read(full(unit, 100 << 10))
    assert code in ("", "config-syntax", "config-limit")
    if unit in ("[", "{", "- ", "? ", "[a: ", "- - "):
        assert code == "config-limit"


def test_one_key_or_word_of_a_hundred_kibibytes() -> None:
    long = "a" * (100 << 10)
    assert read(f"? {long}\n: 1") == ""
    assert read(f"{long}: 1") == "config-syntax"
    assert read(f"&{long} a") == ""
    assert read(f"a: 0x{'f' * len(long)}") == ""  # a fault
    assert read("#" + long) == ""


@pytest.mark.long
@pytest.mark.parametrize("unit", [*UNITS, *SLOW, *(f"[{u}" for u in FLOW)])
def test_a_mebibyte_of_one_thing_in_little_memory(unit: str) -> None:
    deep = "[" * 40 if unit[0] == "[" and len(unit) > 1 else ""
    anchored = "- &a x\n" if "*a" in unit else ""
    text = full(unit.removeprefix("[") if deep else unit, BYTES, anchored + deep)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read(text)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 * 1024  # KiB


MANY = [
    GOOD + "".join(f"kaz{i}: 1\n" for i in range(4_000)),
    GOOD + "train: {" + ", ".join(f"epoch{i}: 1" for i in range(4_000)) + "}\n",
    GOOD + "metrics: [" + "accuracy," * 6_000 + "]\n",
    GOOD + "metrics: [" + "acuracy," * 6_000 + "]\n",
    GOOD.replace("dense: 8", "rel," * 6_000 + "dense: 8"),
    GOOD.replace("iris", "iris, columns: {" + "? a: ignor," * 2_000 + "}"),
    GOOD + "diagnose: {silence: [" + "a," * 6_000 + "]}\n",
]


@pytest.mark.parametrize("text", MANY, ids=range(len(MANY)))
def test_many_mistakes_are_not_all_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(Error) as caught:
        set_up(tmp_path / "a.yaml")
    errors = getattr(caught.value, "errors", (caught.value,))
    assert len(errors) == 101
    assert errors[-1].code in ("config-limit", errors[0].code)
    assert len(str(caught.value)) < 100_000


def test_reading_ends_after_a_hundred_mistakes() -> None:
    assert len(parse("1: a\n" * 100, SOURCE).faults) == 100
    with pytest.raises(Errors) as caught:
        parse("1: a\n" * 9_000, SOURCE)
    assert len(caught.value.errors) == 101


def test_looking_for_mistakes_ends() -> None:
    problems: list[Problem] = []
    build(tuple[Metric, ...], ["acuracy"] * 6_000, (), problems)
    assert len(problems) == 101
    problems.clear()
    build(Stop, {f"patience{i}": 1 for i in range(6_000)}, (), problems)
    assert len(problems) == 101


@pytest.mark.parametrize(
    "value",
    ["a" * 99_999, "\x1b" * 99, [1] * 99_999, {"a" * 99: "b" * 99}, [["x"] * 60]],
)
def test_what_a_message_quotes_is_short_and_harmless(value: object) -> None:
    assert len(show(value)) <= 60
    assert show(value).isprintable()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("dense: 8", "relu," * 10_000 + "dense: 8"), "10,002 layers"),
        (GOOD + f"name: {'a' * 100_000}\n", "a name of letters"),
        (GOOD + f"seed: '{'1' * 100_000}'\n", "expected an integer"),
        (GOOD + f"seed: [{'1,' * 9_000}]\n", "expected an integer"),
        (GOOD + f"train: {{checkpoint: {{every: '{'0' * 99_999}x'}}}}\n", "a length"),
        (GOOD + f"train: {{stop: {{monitor: {'a' * 99_999}}}}}\n", "is monitored"),
        (GOOD + f"optimizer: {'a' * 99_999}\n", "unknown optimizer"),
        (f"extends: {'a' * 99_999}\n{GOOD}", "cannot read"),
        (GOOD + f"patch: [{{do: set, path: {'a.' * 9_999}a, value: 1}}]", "50 names"),
    ],
)
def test_what_is_much_too_long(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(Error) as caught:
        set_up(tmp_path / "a.yaml")
    assert not hasattr(caught.value, "errors")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 3_000
