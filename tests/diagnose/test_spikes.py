"""Spikes, against a loop that looks at one update after the other."""

from __future__ import annotations

import numpy as np
import pytest

from nettrain.diagnose import spikes
from nettrain.diagnose.spikes import RECENT, spike


def slowly(norms: np.ndarray, new: int) -> tuple[int, list[float]] | None:
    best = None
    for at in range(len(norms) - new, len(norms)):
        before = norms[max(0, at - 100) : at]
        if len(before) < 20:
            continue
        middle = np.median(np.log(before))
        spread = 1.4826 * np.median(np.abs(np.log(before) - middle))
        height = (np.log(norms[at]) - middle) / max(spread, 1e-6)
        if best is None or height > best[1][2]:
            best = at, [norms[at], np.median(before), height]
    return best


@pytest.mark.parametrize(
    ("count", "new"), [(21, 1), (50, 50), (131, 40), (300, 200), (300, 7)]
)
def test_the_highest_of_an_epoch(count: int, new: int) -> None:
    norms = np.exp(np.random.RandomState(count).randn(count))
    expected = slowly(norms, new)
    found = spike(norms, new)
    assert expected is not None and found is not None
    assert found[0] == expected[0]
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5)


def test_one_that_is_made() -> None:
    norms = np.linspace(1.0, 1.1, 150)
    norms[130] = 40.0
    found = spike(norms, 50)
    assert found is not None
    at, (norm, median, height) = found
    assert (at, norm) == (130, 40.0)
    assert median == np.median(norms[30:130]) and height > 50
    assert spike(norms, 15)[0] != 130  # type: ignore[index]


def test_fewer_than_20_before_it_are_no_measure() -> None:
    assert spike(np.ones(20), 20) is None
    assert spike(np.ones(0), 0) is None
    assert spike(np.ones(21), 21)[0] == 20  # type: ignore[index]


def test_norms_that_never_change_and_norms_of_0() -> None:
    steady = np.ones(60)
    steady[40] = 1.01
    found = spike(steady, 40)
    assert found is not None and found[0] == 40
    assert np.isfinite(found[1]).all() and found[1][2] > 1e3
    silent = spike(np.zeros(60), 40)
    assert silent is not None and silent[1].tolist() == [0.0, 0.0, 0.0]


def test_long_epochs_are_looked_at_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    norms = np.exp(np.random.RandomState(0).randn(500))
    whole = spike(norms, 390)
    monkeypatch.setattr(spikes, "_BLOCK", 7)
    parts = spike(norms, 390)
    assert whole is not None and parts is not None
    assert whole[0] == parts[0] and np.array_equal(whole[1], parts[1])


def test_no_more_than_the_latest_count() -> None:
    late = np.ones(RECENT + 1)
    early = np.concatenate([np.full(500, 1e6), late])
    early[-1] = late[-1] = 2.0
    one, other = spike(late, 1), spike(early, 1)
    assert one is not None and other is not None
    assert np.array_equal(one[1], other[1])
