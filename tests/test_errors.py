from __future__ import annotations

import copy
import pickle

import pytest

from nettrain.errors import EXIT_CODES, Error, Errors, Place, raise_all, visible

PLACE = Place("configs/mlp.yaml", 14, 3, "  learning_rte: 0.01\n", 12)


def test_error_reads_like_a_compilers():
    error = Error(
        "config-unknown-key",
        'unknown key "learning_rte" in optimizer.adam',
        place=PLACE,
        fix='did you mean "learning_rate"?',
    )
    assert str(error) == (
        "error[config-unknown-key] configs/mlp.yaml:14:3: "
        'unknown key "learning_rte" in optimizer.adam\n'
        "     14 |   learning_rte: 0.01\n"
        "        |   ^^^^^^^^^^^^\n"
        '  did you mean "learning_rate"?'
    )


def test_error_leaves_out_what_is_not_known():
    assert str(Error("disk-full", "no room")) == "error[disk-full] no room"
    place = Place("table.csv", 3)
    assert str(Error("data-x", "bad", place=place)) == "error[data-x] table.csv:3: bad"
    assert str(Place("table.csv")) == "table.csv"


def test_caret_is_at_least_one_wide():
    assert Place("f", 1, 2, "ab", 0).excerpt().endswith("|  ^")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("usage-x", 2),
        ("config-x", 2),
        ("data-x-y", 3),
        ("checkpoint-x", 4),
        ("run-exists", 4),
        ("locked-run", 5),
        ("disk-full", 6),
        ("diverged-cost", 7),
        ("memory-x", 8),
    ],
)
def test_family_decides_the_exit_status(code, status):
    assert Error(code, "x").exit_code == status


def test_no_failure_looks_like_success_or_a_bug():
    assert not {0, 1} & set(EXIT_CODES.values())


def test_several_errors_travel_together():
    first, second = Error("data-a", "one", place=PLACE), Error("config-b", "two")
    with pytest.raises(Errors) as caught:
        raise_all([first, second])
    assert caught.value.errors == (first, second)
    assert caught.value.exit_code == 3
    assert str(caught.value) == f"{first}\n{second}"


def test_one_error_is_raised_as_it_is_and_none_not_at_all():
    only = Error("data-a", "one")
    with pytest.raises(Error) as caught:
        raise_all([only])
    assert caught.value is only
    raise_all([])


@pytest.mark.parametrize("again", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_errors_cross_to_other_processes_whole(again):
    error = Error("data-a", "one", place=PLACE, fix="mend it")
    both = Errors([error, Error("data-b", "two")])
    for original in (error, both):
        assert type(again(original)) is type(original)
        assert str(again(original)) == str(original)
        assert again(original).exit_code == original.exit_code


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 数 — ok\nnext", "plain é 数 — ok\nnext"),
        ("a\x1b]0;owned\x07b", "a\\u001B]0;owned\\u0007b"),
        ("\x9b31m\r\t\x7f", "\\u009B31m\\u000D\\u0009\\u007F"),
        ("\u202eneman\u2066", "\\u202Eneman\\u2066"),
        ("\ud800\0", "\\uD800\\u0000"),
    ],
)
def test_nothing_that_a_terminal_obeys_is_told(text, shown):
    assert visible(text) == shown
    assert str(Error("data-x", text, place=Place(text), fix=text)).count(shown) == 3


def test_a_notebook_shows_the_message_alone() -> None:
    error = Errors(
        [Error("data-array", "y has 3 rows", fix="give 4"), Error("run", "b")]
    )
    assert error._render_traceback_() == [
        "error[data-array] y has 3 rows",
        "  give 4",
        "error[run] b",
    ]
