"""before-after.svg: a panel for each part, both runs in each."""

from __future__ import annotations

import numpy as np

from nettrain.show.before_after import before_after

from .pictures import texts

STEPS = np.arange(10, 60, 10)
BEFORE = {"train": (STEPS, np.ones(5)), "validation": (STEPS, np.full(5, 1.1))}
AFTER = {"train": (STEPS, np.geomspace(0.9, 0.01, 5))}


def test_each_part_has_a_panel_and_each_run_a_label() -> None:
    found = texts(before_after(BEFORE, AFTER))
    assert {"Train loss", "Validation loss"} <= set(found)
    assert found.count("before") == 2
    assert found.count("after") == 1
    alone = texts(before_after({"train": BEFORE["train"]}, AFTER))
    assert "Validation loss" not in alone


def test_decades_get_a_log_scale_and_infinities_an_edge() -> None:
    assert "0.01" in texts(before_after(BEFORE, AFTER))
    near = {"train": (STEPS, np.linspace(1, 0.5, 5))}
    assert "0.01" not in texts(before_after(near, near))
    far = {"train": (STEPS, np.array([1.0, 1e30, 1e300, 0.0, 1e-30]))}
    assert texts(before_after(far, AFTER))


def test_a_run_without_a_whole_epoch_has_no_curve() -> None:
    found = texts(before_after({}, AFTER))
    assert "after" in found and "before" not in found
