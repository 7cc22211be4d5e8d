"""Remedies for a learning rate: guesses, which a trainer replaces by a measured one."""

from __future__ import annotations

import math

from nettrain.diagnose.evidence import Evidence
from nettrain.diagnose.finding import Edit, Remedy
from nettrain.diagnose.remedies import edits

GOOD_UPDATE = 1e-2
"""‖ΔW‖/‖W‖ of one update that a too high rate is lowered to."""
GOOD_WAY = 3.0
"""How many times their norm the weights should be able to move in a run."""
MOST = 4
"""Powers of ten by which a rate is raised at most."""


def lower(
    evidence: Evidence, ratio: float, reason: str = "its updates are too large"
) -> Remedy:
    """By as many tens as bring an update of that ‖ΔW‖/‖W‖ near `GOOD_UPDATE`.

    By ten at least, also where the ratio is not known (-inf).
    """
    powers = max(1, round(math.log10(max(1.0, ratio / GOOD_UPDATE))))
    return edits.slower(evidence, reason, 10.0**powers)


def higher(evidence: Evidence, moved: float) -> Remedy:
    """By as many tens as let the weights move about `GOOD_WAY` times their norm.

    Args:
        moved: how many times their norm they can move now.
    """
    wanted = math.log10(GOOD_WAY / moved) if moved > 0 else MOST
    powers = min(MOST, max(1, round(wanted)))
    return edits.slower(evidence, "its updates are too small", 10.0**-powers)


def falling(evidence: Evidence) -> Remedy:
    """A schedule in place of a constant rate."""
    setting = evidence.settings.get("learning_rate")
    text = "let the learning rate fall while training goes on"
    if setting is None or not isinstance(setting.value, (int, float)):
        return Remedy(text)
    return Remedy(text, (Edit(setting.path, {"cosine": {"peak": setting.value}}),))
