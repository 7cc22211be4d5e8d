"""Jobs: which runs there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.faults.catalogue import CONTROLS, FAULTS, PROGRAMS, of_split
from experiments.faults.changes import Change, Fault
from experiments.faults.programs import Config, Program, Split

Role = Literal["twin", "fault", "control"]
Layers = Literal["all", "dense", "structured"]

SEEDS = 10
FAULT_PROGRAMS, CONTROL_PROGRAMS = 3, 2
"""How many programs of a split every kind is built from."""


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
        program: its name.
        role: the program as it is (a twin), with a fault, or changed and healthy.
        change: name of the fault or control; empty for a twin.
        seed: of everything random.
    """

    program: str
    role: Role
    change: str
    seed: int

    @property
    def of(self) -> Program:
        return PROGRAMS[self.program]

    @property
    def fault(self) -> Fault | None:
        return FAULTS[self.change] if self.role == "fault" else None

    @property
    def cell(self) -> tuple[str, str, str]:
        """What its seeds have in common."""
        return self.program, self.role, self.change

    @property
    def key(self) -> str:
        """A file's name."""
        change = re.sub(r"[^a-z0-9.]+", "-", self.change.lower()).strip("-")
        return f"{self.program}+{change or 'twin'}+{self.seed}"

    def config(self) -> Config:
        """The config of the run."""
        config = self.of.config(self.seed)
        change: Change | None = None
        if self.role != "twin":
            change = (FAULTS if self.role == "fault" else CONTROLS)[self.change]
        if change is not None:
            change.apply(config, self.of)
        return config


def whole(split: Split, seeds: int = SEEDS, layers: Layers = "all") -> list[Job]:
    """Every run of a split: kinds take turns with the programs that they fit.

    Args:
        split: which half.
        seeds: how many of each.
        layers: which programs: dense ones, or those in `structured`.
    """
    programs = [p for p in of_split(split) if layers in ("all", _layers(p))]
    jobs = [Job(p.name, "twin", "", seed) for p in programs for seed in range(seeds)]
    faults = _dealt(programs, [*FAULTS.values()], FAULT_PROGRAMS)
    controls = _dealt(programs, [*CONTROLS.values()], CONTROL_PROGRAMS)
    jobs += [Job(p, "fault", c, s) for p, c in faults for s in range(seeds)]
    jobs += [Job(p, "control", c, s) for p, c in controls for s in range(seeds)]
    return jobs


def _dealt(
    programs: Sequence[Program], changes: Sequence[Change], count: int
) -> Iterator[tuple[str, str]]:
    """Programs for each change, the least used ones first."""
    used = dict.fromkeys((p.name for p in programs), 0)
    for change in changes:
        fitting = sorted(filter(change.suits, programs), key=lambda p: used[p.name])
        for program in fitting[:count]:
            used[program.name] += 1
            yield program.name, change.name


def _layers(program: Program) -> str:
    return "dense" if program.kind == "dense" else "structured"


SMOKE_FAULTS = {
    "blobs-relu": ("sgd rate 2", "sgd rate 1e-5", "bias -10", "zero init",
                   "inputs x 1000"),
    "circles-tanh": ("flipped sign", "deep sigmoid", "tanh N(0, 9)", "adam rate 1e-7",
                     "weight decay 1"),
}  # fmt: skip
SMOKE_CONTROLS = ("layer_norm", "wide, 256 units", "rate x 3", "cosine, warm-up",
                  "clipped")  # fmt: skip


STRUCTURED_SMOKE = ("conv bias -10", "conv N(0, 25)")


def smoke() -> list[Job]:
    """71 runs of the tuning split: 36 faulty, 35 healthy."""
    name = "digits-conv"
    jobs = [Job(name, "twin", "", seed) for seed in range(5)]
    jobs += [Job(name, "fault", f, s) for f in STRUCTURED_SMOKE for s in range(3)]
    for program, faults in SMOKE_FAULTS.items():
        jobs += [Job(program, "twin", "", seed) for seed in range(5)]
        jobs += [Job(program, "fault", f, s) for f in faults for s in range(3)]
        jobs += [Job(program, "control", c, s) for c in SMOKE_CONTROLS for s in (0, 1)]
    return jobs
