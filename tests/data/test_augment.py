"""Augmentation: each against a plain loop; what is drawn depends on the sample."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nettrain.component import build, build_fields
from nettrain.data import DataConfig, prepare
from nettrain.data.augment import Augmentation, Draws, augmented
from nettrain.errors import Error
from tests.data.conftest import placed

ALL: list[Any] = [{"shift": 2}, {"flip": "horizontal"}, {"rotate": 15}, {"cut_out": 3}]


def images(count: int, height: int = 7, width: int = 9) -> np.ndarray:
    """Images of two channels whose pixels are all different."""
    made = np.arange(1, count * 2 * height * width + 1, dtype=np.float32)
    return made.reshape(count, 2, height, width)


def built(plain: Any) -> Augmentation:
    made: Augmentation = build(Augmentation, plain, (), [])
    assert isinstance(made, Augmentation)
    return made


def made_of(x: np.ndarray, plain: Any, epoch: int = 1, seed: int = 0) -> np.ndarray:
    return augmented(x, [built(plain)], seed, epoch, np.arange(len(x)))


@pytest.mark.parametrize("plain", ALL, ids=str)
def test_what_an_image_gets_depends_on_no_other(plain: Any) -> None:
    x, steps = images(40), [built(plain), built({"shift": 1})]
    samples = np.arange(100, 140)
    whole = augmented(x, steps, 3, 5, samples)
    assert (whole.dtype, whole.shape) == (x.dtype, x.shape)
    order = np.random.default_rng(0).permutation(40)
    assert (augmented(x[order], steps, 3, 5, samples[order]) == whole[order]).all()
    for i in range(5):
        alone = augmented(x[i : i + 1], steps, 3, 5, samples[i : i + 1])
        assert (alone[0] == whole[i]).all()
    assert (augmented(x, steps, 3, 6, samples) != whole).any()
    assert (augmented(x, steps, 4, 5, samples) != whole).any()
    assert (augmented(x, steps, 3, 5, samples + 40) != whole).any()


def test_a_second_one_of_a_kind_draws_anew() -> None:
    x, shift = images(30), built({"shift": 2})
    samples = np.arange(30)
    once = augmented(x, [shift], 0, 1, samples)
    again = augmented(once, [shift], 0, 1, samples)  # the very same draws
    twice = augmented(x, [shift, shift], 0, 1, samples)
    assert (twice != again).any()
    assert (twice != once).any()


def test_draws_never_change() -> None:
    draws = Draws(0, "augment/0/shift", 2, np.array([0, 7, 2**31]))
    assert draws.uniform("down").tolist() == PINNED
    whole = Draws(0, "p", 1, np.arange(3000)).whole("w", -2, 2)
    counts = np.unique(whole, return_counts=True)
    assert counts[0].tolist() == [-2, -1, 0, 1, 2]
    assert counts[1].min() > 500  # of 600, five standard deviations


PINNED = [0.22992132654210906, 0.3049582771473528, 0.38837093786907173]


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    made = np.empty_like(image)
    height, width = image.shape[1:]
    for i in range(height):
        for j in range(width):
            row = min(max(i - down, 0), height - 1)
            made[:, i, j] = image[:, row, min(max(j - right, 0), width - 1)]
    return made


def test_shift_moves_and_repeats_the_edge() -> None:
    x = images(60)
    made, seen = made_of(x, {"shift": 1}), set()
    for before, after in zip(x, made, strict=True):
        fitting = [
            (down, right)
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
            if (shifted(before, down, right) == after).all()
        ]
        assert len(fitting) == 1
        seen |= set(fitting)
    assert len(seen) == 9


@pytest.mark.parametrize(("direction", "axis"), [("horizontal", 3), ("vertical", 2)])
def test_flip_mirrors_half_of_them(direction: str, axis: int) -> None:
    x = images(200)
    made, mirrored = made_of(x, {"flip": direction}), np.flip(x, axis)
    changed = (made == mirrored).all(axis=(1, 2, 3))
    assert (changed | (made == x).all(axis=(1, 2, 3))).all()
    assert 60 < changed.sum() < 140


def turned(image: np.ndarray, angle: float) -> np.ndarray:
    """Each pixel from where it was before the turn, between four pixels."""
    made = np.empty_like(image)
    height, width = image.shape[1:]
    for i in range(height):
        for j in range(width):
            down, right = i - (height - 1) / 2, j - (width - 1) / 2
            y = math.cos(angle) * down - math.sin(angle) * right + (height - 1) / 2
            x = math.sin(angle) * down + math.cos(angle) * right + (width - 1) / 2
            total = np.zeros(len(image))
            for row, up in ((math.floor(y), 1 - y % 1), (math.floor(y) + 1, y % 1)):
                for at, side in (
                    (math.floor(x), 1 - x % 1),
                    (math.floor(x) + 1, x % 1),
                ):
                    inside = min(max(row, 0), height - 1), min(max(at, 0), width - 1)
                    total += up * side * image[(slice(None), *inside)]
            made[:, i, j] = total
    return made


def test_rotate_is_bilinear() -> None:
    x = np.random.default_rng(0).random((6, 2, 7, 9))
    share = Draws(0, "augment/0/rotate", 1, np.arange(6)).uniform("angle")
    angles = np.deg2rad(40 * (2 * share - 1))
    assert angles.min() < 0 < angles.max()
    expected = np.stack([turned(i, a) for i, a in zip(x, angles, strict=True)])
    assert made_of(x, {"rotate": 40}) == pytest.approx(expected, abs=1e-12)


def test_a_quarter_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    x = images(3, 5, 5)
    monkeypatch.setattr(Draws, "uniform", lambda self, name: np.ones(3))
    assert made_of(x, {"rotate": 90}) == pytest.approx(np.rot90(x, -1, (2, 3)))


def test_cut_out_sets_a_square_to_0() -> None:
    x, size = images(300), 3
    zero = made_of(x, {"cut_out": size}) == 0
    made = made_of(x, {"cut_out": size})
    assert (made[~zero] == x[~zero]).all()
    assert (zero[:, 0] == zero[:, 1]).all()
    heights, widths = zero[:, 0].any(axis=2).sum(1), zero[:, 0].any(axis=1).sum(1)
    assert (zero[:, 0].sum(axis=(1, 2)) == heights * widths).all()
    assert set(heights.tolist()) == set(widths.tolist()) == {2, 3}
    assert zero[:, 0].any(axis=0).all()  # every pixel is covered at times


def test_shift_and_rotate_follow_a_change_of_scale() -> None:
    """So that it is no matter whether images are standardized before or after."""
    x = np.random.default_rng(0).random((9, 2, 6, 6))
    for plain in ({"shift": 2}, {"rotate": 30}):
        after = made_of(x, plain) * 3 - 1
        assert made_of(x * 3 - 1, plain) == pytest.approx(after, abs=1e-12)


@pytest.mark.parametrize(
    ("section", "said", "at"),
    [
        ({"augment": [{"flip": "vertical"}]}, "a row is 64", 0),
        ({"augment": ["flip", {"shift": 8}], "shape": [1, 8, 8]}, "out of sight", 1),
        ({"augment": [{"cut_out": 9}], "shape": [1, 8, 8]}, "8 × 8 pixels", 0),
    ],
)
def test_what_rows_cannot_have(section: dict[str, Any], said: str, at: int) -> None:
    config = build_fields(DataConfig, {"source": "digits", **section})
    with pytest.raises(Error, match=said) as caught:
        prepare(config, seed=0, place=placed)
    assert caught.value.code == "config-augment"
    assert str(caught.value.place) == f"config.yaml:data.augment.{at}"
    assert caught.value.fix


@pytest.mark.parametrize(
    "plain", [{"shift": 0}, {"rotate": 0}, {"rotate": 181}, {"flip": "both"}, "blur"]
)
def test_settings_out_of_bounds(plain: Any) -> None:
    problems: list[Any] = []
    build(Augmentation, plain, (), problems)
    assert len(problems) == 1
