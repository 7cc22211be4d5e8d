"""All programs, faults and controls, dense and structured."""

from __future__ import annotations

from experiments.faults import controls, kinds, programs, structured, structured_changes
from experiments.faults.changes import Change, Fault
from experiments.faults.programs import Program, Split

PROGRAMS: dict[str, Program] = {
    program.name: program
    for program in (*programs.DENSE, *structured.TUNING, *structured.HELD_OUT)
}
FAULTS: dict[str, Fault] = {
    **kinds.FAULTS,
    **{fault.name: fault for fault in structured_changes.FAULTS},
}
CONTROLS: dict[str, Change] = {
    **controls.CONTROLS,
    **{change.name: change for change in structured_changes.CONTROLS},
}


def of_split(split: Split) -> list[Program]:
    """The programs of one half."""
    return [p for p in PROGRAMS.values() if p.split == split]
