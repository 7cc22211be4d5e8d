"""Texts that YAML cannot read, or reads otherwise: what is mended, and what is not."""

from __future__ import annotations

import random
import re
from difflib import unified_diff
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nettrain.cli.main import main
from nettrain.component import closest
from nettrain.config import fix as config_fix
from nettrain.config import parse
from nettrain.config.fix import Mended, fix, mended
from nettrain.config.tree import Source
from nettrain.errors import Error
from nettrain.experiment.schema import Experiment

GOOD = """\
# The head.
name: a         # a name
data:
  source: digits
  split: {validation: 0.1, test: 0.1}
model:
  - dense: {units: 8, activation: relu}
  - dense: auto
loss: cross_entropy
metrics: [accuracy, f1]
optimizer: {adam: {learning_rate: 1e-3}}
train:
  epochs: 2     # short
  stop:
    patience: 3

  # The end.
"""
HEAD = "data: {source: digits}\nmodel: [dense: 10]\nloss: cross_entropy\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(text: str) -> Mended:
    Path("a.yaml").write_bytes(text.encode())
    return mended("a.yaml", schema=lambda _: Experiment)


TRAIN = "  epochs: 2     # short\n  stop:\n    patience: 3"
# What stands in GOOD, and what is written instead; mended, it is GOOD again.
SLIPS = [
    ("  epochs: 2", "\tepochs: 2"),
    (TRAIN, TRAIN.replace("  stop", "\tstop").replace("    pat", "\t\tpat")),
    (TRAIN, TRAIN.replace("  ", "\u00a0\u00a0").replace("\u00a0 ", "  ")),
    ("epochs: 2 ", "epochs:\t2 "),
    ("epochs: 2", "epochs:2"),
    ("loss: cross_entropy", "loss:cross_entropy"),
    ("units: 8, activation: relu", "units:8, activation:relu"),
    ("data:", "data"),
    ("stop:", "stop"),
    ("loss: cross_entropy", "loss cross_entropy"),
    ("epochs: 2", "epochs = 2"),
    ("epochs: 2", "epochs :2"),
    ("[accuracy, f1]", "[accuracy, f1"),
    ("test: 0.1}", "test: 0.1"),
    ("learning_rate: 1e-3}}", "learning_rate: 1e-3}"),
    ("learning_rate: 1e-3}}", "learning_rate: 1e-3"),
    ("learning_rate: 1e-3}}", "learning_rate: 1e-3}}}"),
    ("[accuracy, f1]", "[accuracy, f1}"),
    ("activation: relu}", "activation: relu"),
    ("units: 8, ", "units: 8 "),
    ("  - dense: auto", "   - dense: auto"),
    ("  - dense: auto", "- dense: auto"),
    ("  - dense: auto", "  dense: auto"),
    ("  - dense: auto", "  -dense: auto"),
    ("  stop:\n", "   stop:\n"),
    ("  stop:\n", " stop:\n"),
    ("  split: {", "   split: {"),
    ("loss: cross", " loss: cross"),
    ("name: a", " name: a"),
    ("loss: cross_entropy\n", "loss: cross_entropy\nloss: cross_entropy\n"),
    ("{units: 8", "{units: 8, units: 8"),
    ("epochs: 2", "epochs:\u00a02"),
    ("epochs: 2", "\u200bepochs: 2"),
]


@pytest.mark.parametrize(("right", "wrong"), SLIPS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_slip_is_mended_and_nothing_else(
    right: str, wrong: str, newline: str
) -> None:
    text = GOOD.replace(right, wrong, 1)
    assert text != GOOD
    found = done(text.replace("\n", newline))
    assert found.after == GOOD.replace("\n", newline)
    assert found.left is None


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ('dtype: "float32', 'dtype: "float32"'),
        ('metrics: ["accuracy, f1]', 'metrics: ["accuracy", f1]'),
        ('name: "a  # b', 'name: "a"  # b'),  # no name holds a "#"
        ("dtype: “float32”", 'dtype: "float32"'),
        ("metrics: [‘accuracy’, ‘f1’]", "metrics: ['accuracy', 'f1']"),
        ("metrics: ['accuracy' 'f1']", "metrics: ['accuracy', 'f1']"),
        ("metrics: - accuracy\n - f1", "metrics:\n - accuracy\n - f1"),
        ("metrics:\n - accuracy\n- f1", "metrics:\n - accuracy\n - f1"),
        ("train: epochs: 3", "train: {epochs: 3}"),
        ("train:\n  epochs:2\n  clip_norm:4",
         "train:\n  epochs: 2\n  clip_norm: 4"),
        ("train: {epochs: 2,\n  steps: 3\nseed: 3",
         "train: {epochs: 2,\n  steps: 3}\nseed: 3"),
        ("name: @home", None),  # in quotes it is no name either
        ("train: (epochs: 2, steps: 3)", None),
        ("train:\n  stop:\n    monitor: 'it's'",
         "train:\n  stop:\n    monitor: \"it's\""),
        ('train:\n  stop:\n    monitor: "a\\d"',
         "train:\n  stop:\n    monitor: 'a\\d'"),
        ("seed：3", "seed: 3"),
        ("metrics: [accuracy， f1]", "metrics: [accuracy, f1]"),
        ("train: {epochs：3}", "train: {epochs: 3}"),
        ("train: {epochs: 3}:", "train: {epochs: 3}"),
        ("train: {epochs: 3,, steps: 4}", "train: {epochs: 3, steps: 4}"),
        # several slips, one after the other
        ('metrics: [f1\nname: "x\nseed 3', 'metrics: [f1]\nname: "x"\nseed: 3'),
        # the same said twice, a comment stays
        ("seed: 3 # a\nseed: 3 # b", "seed: 3 # a\n# b"),
        ("train: {steps: 3, 'steps': 3}", "train: {steps: 3}"),
        ("train:\n  steps: 1\nseed: 3\ntrain:\n  steps: 1",
         "train:\n  steps: 1\nseed: 3"),
        # what quotes and comments hold is no slip
        ("name: 'a\u00a0b'  # “c”:d\nseed:\u00a03",
         "name: 'a\u00a0b'  # “c”:d\nseed: 3"),
        ("train:\n  epochs: 3\n\f# end", "train:\n  epochs: 3\n# end"),
        (" sed: 3", "seed: 3"),  # what is deeper than it should be may be misspelt too
        # in doubt
        ("seed: 3\nseed: 4", None),
        ("seed: 3 name: x", None),
        ("seed: [3", "seed: 3"),
        ("seed: *x", None),
        ("name: a\tb", None),
        ("train: {epochs: 2}}}", None),
        ("epochs: |x\n  3", None),
        ("---\nseed: 3", None),
        ("train:\n  epochs: 2\n---\nloss: mse", None),
        ("...\nseed: 3", None),
        ("metrics: [f1]\n---\n- x", None),
        ("metrics:\n- f1\n---\nseed: 3", None),
        ("dtype: float32\n  seed:   # c", None),
        # the same slip in many lines, and what quotes hold
        ("seed:3\ntrain: {epochs:3}\n", "seed: 3\ntrain: {epochs: 3}\n"),
        (
            "diagnose: {every:3, silence: ['D1:x']}",
            "diagnose: {every: 3, silence: ['D1:x']}",
        ),
        (
            "metrics: [zz:yy]\ndiagnose: {every:3}\ntrain: {epochs:3}",
            "metrics: [zz:yy]\ndiagnose: {every: 3}\ntrain: {epochs: 3}",
        ),
        ("metrics: [zz:yy]", None),  # is no better with a blank
        # half of it is not enough
        ("seed 3\nname: |x\n  a", None),
    ],
)  # fmt: skip
def test_what_can_mean_one_thing(wrong: str, right: str | None) -> None:
    text = f"{HEAD}{wrong}\n"
    found = done(text)
    assert found.after == (text if right is None else f"{HEAD}{right}\n")


def test_a_dash_that_makes_a_list_of_a_section() -> None:
    split = "  split: {test: 0.1}\n"
    wrong = HEAD.replace("{source: digits}\n", f"\n  - source: digits\n{split}")
    assert done(wrong).after == wrong.replace("- ", "")


def test_a_second_document_is_no_member_of_a_list() -> None:
    layers = HEAD.replace("[dense: 10]", "\n  - dense: 10")
    text = f"{layers}---\nloss: mse\n"
    assert done(text).after == text


def test_a_list_begins_a_line_of_the_same_kind() -> None:
    text = f"{HEAD}metrics: - f1\n - accuracy\n".replace("\n", "\r\n")
    assert done(text).after == text.replace(": - f1", ":\r\n - f1")


def test_a_comment_below_a_block_stays_where_it_is() -> None:
    text = f"{HEAD}train:\n  epochs: 2\n stop:\n  patience: 3\n\n # end\n"
    mended = text.replace(" stop", "  stop").replace("  pat", "   pat")
    assert done(text).after == mended


def test_a_doubt_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    text = HEAD.replace("{source: digits}", '\n  source: digits\n  target: "a  # b')
    Path("a.yaml").write_text(text)
    assert main(["check", "a.yaml", "--fix"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("error[") == 1
    told = '--fix cannot tell `  target: "a  # b"` from `  target: "a"  # b`'
    assert f"close the quote; {told}" in printed.err
    assert Path("a.yaml").read_text() == text


def test_check_goes_on_with_the_mended_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("a.yaml").write_bytes(GOOD.replace("data:", "data").encode())
    assert main(["check", "a.yaml", "--fix"]) == 0
    printed = capsys.readouterr()
    assert "\n-data\n+data:\n" in printed.out
    assert "a.yaml: a\n" in printed.out
    assert Path("a.yaml").read_text() == GOOD


def test_what_takes_too_long_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{HEAD}seed 3\ndtype float64\nmetrics: [acc]\n"
    assert done(text).left is None
    monkeypatch.setattr(config_fix, "_WORK", 0)
    monkeypatch.setattr(config_fix, "_ROUNDS", 1)
    found = done(text)
    assert found.after == text
    assert found.left is not None
    half = done(text.replace("seed ", "seed: ").replace("dtype ", "dtype:"))
    assert half.left is None  # what can be read is mended as far as it was
    assert "dtype: float64\nmetrics: [acc]\n" in half.after


def test_a_long_text_is_left_alone() -> None:
    layers = "  - dense: {units: 8, activation: relu}\n" * 5000
    text = HEAD.replace(" [dense: 10]\n", "\n" + layers) + "seed 3\n"
    Path("a.yaml").write_text(text)
    assert fix("a.yaml", schema=lambda _: Experiment).after == text


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("name: layer50}", "name: 'layer50}"),
        ("train:", "train"),
    ],
)
def test_a_config_of_two_hundred_lines_is_mended(right: str, wrong: str) -> None:
    layers = [
        f"  - dense: {{units: {i}, activation: relu, name: layer{i}}}  # some words\n"
        for i in range(3, 180)
    ]
    text = GOOD.replace("model:\n", f"model:\n{''.join(layers)}")
    found = done(text.replace(right, wrong, 1))
    assert found.left is None
    assert value(found.after) == value(text)


# ---------------------------------------------------------------- any slips

ROOT = Path(__file__).parents[2]
CONFIGS = [
    text
    for path in sorted((ROOT / "configs").rglob("*.yaml"))
    if "extends:" not in (text := path.read_text("utf-8")) and "base:" not in text
]


def value(text: str) -> object:
    try:
        return parse(text, Source("a.yaml", "file", Path())).value
    except Error:
        return None


def broken(text: str, draw: random.Random) -> str:
    """A text with one slip in it."""
    lines, at = text.split("\n"), draw.randrange(len(text) - 1)
    row = draw.randrange(len(lines))
    pairs = [*re.finditer(r"(\w+): ([\w.]+)", text)] or [None]
    words = [*re.finditer(r"[a-z_]{3,}", text)]
    pair, word = draw.choice(pairs), draw.choice(words)
    spelt = draw.choice(["{} {}", "{}({})", "{}={}", "{}:{}", "[{}, {}]", "{}: '{}'"])
    name = word[0]
    other = draw.choice([name.upper(), f"{name}x", f"{name}_2", name[:-1], f"x{name}"])
    mark = draw.choice(" :,-{}[]\"'()=\tabzx03.#")
    indented = " " * draw.randint(1, 3) + lines[row]
    return draw.choice(
        [
            text[:at] + text[at + 1 :],
            text[:at] + mark + text[at:],
            text[:at] + text[at + 1] + text[at] + text[at + 2 :],
            "\n".join([*lines[:row], indented, *lines[row + 1 :]]),
            "\n".join([*lines[:row], lines[row][1:], *lines[row + 1 :]]),
            "\n".join([*lines[:row], lines[row].lstrip(), *lines[row + 1 :]]),
            "\n".join([*lines[:row], lines[row], *lines[row:]]),
            text[: word.start()] + other + text[word.end() :],
            text[: pair.start()] + spelt.format(*pair.groups()) + text[pair.end() :]
            if pair
            else text,
        ]
    )


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[\w.]+", re.sub("[\"']", "", text)))


@given(text=st.sampled_from(CONFIGS), draw=st.randoms(use_true_random=False))
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_nothing_is_lost(text: str, draw: random.Random) -> None:
    """What is mended means what was meant, or has each word that was written."""
    wrong = text
    for _ in range(draw.randint(1, 3)):
        wrong = broken(wrong, draw)
    try:
        after = done(wrong).after
    except Error:  # no text at all
        return
    if after != wrong and value(after) != value(text):
        held, joined = words_of(after), "".join(after.split())
        numbers = {float(w) for w in held if re.fullmatch(r"\d+\.?\d*", w)}
        for word in words_of(wrong) - held:
            number = re.fullmatch(r"\d+\.?\d*", word)
            kept = float(word) in numbers if number else closest(word, held)
            diff = "\n".join(unified_diff(wrong.split("\n"), after.split("\n")))
            assert kept or word in joined, f"{word} is lost:\n{diff}"
