from __future__ import annotations

import pytest

from nettrain.span import Span


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("10 steps", 10, "steps"),
        ("1 step", 1, "steps"),
        ("1 epoch", 1, "epochs"),
        ("2.5epochs", 2.5, "epochs"),
        (" .5  epochs ", 0.5, "epochs"),
        ("5 %", 5, "%"),
        ("1e1 %", 10, "%"),
        (7, 7, "steps"),
        (0, 0, "steps"),
    ],
)
def test_lengths_are_read_as_people_write_them(text, amount, unit):
    assert Span.from_config(text) == Span(amount, unit)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "10",
        "steps",
        "-1 steps",
        "1 day",
        "1 epoch 2",
        -1,
        True,
        1.5,
        None,
        [1],
        "1 ٪",
        "100.5 %",
    ],
)
def test_anything_else_is_refused(value):
    with pytest.raises(ValueError, match="expected a length"):
        Span.from_config(value)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("10 steps", 10),
        ("2 epochs", 76),
        ("0.5 epochs", 19),
        ("0.01 epochs", 1),
        ("5 %", 50),
        ("0.01 %", 1),
        ("0 %", 0),
        ("100 %", 1000),
    ],
)
def test_length_in_updates_is_rounded_up(text, steps):
    assert Span.from_config(text).steps(38, 1000) == steps


def test_rounding_is_not_fooled_by_binary_fractions():
    # 0.07 · 100 is 7.000000000000001 in float64.
    assert Span.from_config("7 %").steps(1, 100) == 7
    assert Span.from_config("0.07 epochs").steps(100, 100) == 7


@pytest.mark.parametrize(
    "text", ["1 step", "10 steps", "1 epoch", "2.5 epochs", "5 %", "1 %", "0 steps"]
)
def test_what_is_written_back_reads_the_same(text):
    span = Span.from_config(text)
    assert span.to_config() == text
    assert Span.from_config(span.to_config()) == span
    assert Span.from_config(span) is span
