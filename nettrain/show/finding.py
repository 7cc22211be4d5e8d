"""Which of a run's pictures shows what a finding says."""

from __future__ import annotations

from collections.abc import Collection

WATERFALL, FLOW = "gradient-waterfall.svg", "gradient-flow.svg"
UNITS, SPREAD, UPDATES = "dead-neurons.svg", "activations.svg", "updates.svg"
COST, RATES = "cost.svg", "learning-rate.svg"

_OF: dict[str, str | None] = {
    "G1": WATERFALL,
    "G2": WATERFALL,
    "I3": WATERFALL,
    "I1": FLOW,
    "A1": UNITS,
    "I4": UNITS,
    "I5": UNITS,
    "A2": SPREAD,
    "D1": SPREAD,
    "I2": SPREAD,
    "P1": UPDATES,
    "P2": COST,
    "L1": UPDATES,
    "L2": RATES,
    "D3": None,
}
"""Everything else is seen in the cost: against the prior, and against validation. A
defect of the data is seen in none, and updates that are too small for their number, L2,
only where learning rates were tried: each of them may be healthy."""


def picture(id_: str, drawn: Collection[str]) -> str | None:
    """The picture of a finding, or the cost where that was not drawn; None without one.

    The cost does not stand in for the trial of learning rates.

    Args:
        id_: of the finding, such as `G1`.
        drawn: the files that the run has in `plots/`.
    """
    wanted = _OF.get(id_, COST)
    if wanted is None:
        return None
    instead = None if wanted == RATES else COST
    return next((name for name in (wanted, instead) if name in drawn), None)
