"""Remedies for weight decay."""

from __future__ import annotations

from nettrain.diagnose.facts import Decay
from nettrain.diagnose.finding import Edit, Remedy
from nettrain.diagnose.remedies import edits

DIVIDE = 100.0


def weaker(decay: Decay) -> Remedy:
    """Every decay of the config, divided by 100."""
    patch = tuple(Edit(s.path, edits.rounded(s.value / DIVIDE)) for s in decay.settings)
    return Remedy("divide the weight decay by 100", patch)
