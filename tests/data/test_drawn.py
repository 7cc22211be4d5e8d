"""Which sources say that their rows are drawn from the seed of the run."""

from __future__ import annotations

import pytest

from nettrain.component import registered
from nettrain.data.dataset import prepare
from nettrain.data.settings import DataConfig
from nettrain.data.sources import Source

_ASK = ("file", "idx", "images", "series", "text")
"""Those that need a file, whose rows are what they are."""
_FEWER = {"samples": 40}


@pytest.mark.parametrize("name", sorted({*registered(Source)} - {*_ASK}))
def test_a_source_says_whether_another_seed_has_other_rows(name: str) -> None:
    kind = registered(Source)[name]
    given = _FEWER if "samples" in kind.__dataclass_fields__ else {}
    config = DataConfig(source=kind(**given))
    hashes = [prepare(config, seed=seed).sha256 for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1]
    assert (hashes[0] != hashes[2]) is kind.drawn


def test_files_are_not_drawn() -> None:
    assert not any(registered(Source)[name].drawn for name in _ASK)
