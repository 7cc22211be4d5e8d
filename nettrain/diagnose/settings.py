"""The `diagnose:` section of a config."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from nettrain.component import Count, registered, suggest
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.detectors import (
    Ascent,
    BatchNoise,
    BornDead,
    ClassIgnored,
    ClassImbalance,
    DataDefects,
    DeadNeurons,
    Diverged,
    Drifting,
    ExplodingGradient,
    FiniteWidth,
    Gap,
    GradientSpike,
    Guessing,
    InitialLoss,
    Leakage,
    LearningRateTooHigh,
    LearningRateTooLow,
    Memorising,
    ModeMismatch,
    OrderEffect,
    Oscillation,
    Overconfidence,
    Overfitting,
    OverRegularised,
    ParameterNotUpdated,
    Plateau,
    Saturation,
    Symmetry,
    TellingColumn,
    Underfit,
    UnscaledInputs,
    VanishingGradient,
    WeightScale,
    WrongGradient,
)


class FindingId(str):
    """The id of a finding, such as `A1`."""

    wanted = "the id of a finding"

    @classmethod
    def from_config(cls, value: object) -> str:
        known = registered(Detector)
        if isinstance(value, str) and value in known:
            return value
        raise ValueError(
            f"expected the id of a finding ({', '.join(known)})"
            + (f"; {hint}" if (hint := suggest(value, known)) else "")
        )

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        return {"enum": list(registered(Detector))}


@dataclass(frozen=True)
class DiagnoseConfig:
    """How a run is watched.

    Attributes:
        silence: ids of findings that are not reported.
        every: how many steps lie between two full statistics; `auto`: so many that they
            take about 5 % of the time. Each epoch's last full batch always has them.
        D1: when inputs are unscaled.
        D2: when classes are imbalanced.
        D3: when data have defects.
        D4: when the order of rows does harm.
        D5: when a column tells the target.
        D6: when validation rows are unlike training rows.
        I1: when units begin alike.
        I2: when the first loss is too high.
        I3: when first weights have a wrong scale.
        I4: when layers are too narrow for their depth.
        I5: when units are dead from the start.
        P1: when a parameter is not updated.
        P2: when updates climb.
        P3: when a gradient is wrong.
        L1: when the learning rate is too high.
        L2: when it is too low for the planned updates.
        L3: when the loss has diverged.
        L4: when the loss is no better than guessing.
        L5: when the loss stands still.
        L6: when the loss oscillates.
        G1: when a gradient has vanished.
        G2: when a gradient explodes.
        G3: when a gradient is an outlier.
        A1: when neurons are dead.
        A2: when neurons are saturated.
        R1: when weight decay outweighs the data.
        U1: when the network can do no better.
        O0: when predictions become too sure.
        O1: when validation becomes worse.
        O2: when training rows are learned by heart.
        O3: when training and validation lie far apart.
        C1: when a class is never predicted.
        B1: when gradients are mostly noise.
        B2: when training and prediction disagree.
        X1: when validation is better than training.
    """

    silence: tuple[FindingId, ...] = ()
    every: Literal["auto"] | Count = "auto"
    D1: UnscaledInputs = field(default_factory=UnscaledInputs)
    D2: ClassImbalance = field(default_factory=ClassImbalance)
    D3: DataDefects = field(default_factory=DataDefects)
    D4: OrderEffect = field(default_factory=OrderEffect)
    D5: TellingColumn = field(default_factory=TellingColumn)
    D6: Drifting = field(default_factory=Drifting)
    I1: Symmetry = field(default_factory=Symmetry)
    I2: InitialLoss = field(default_factory=InitialLoss)
    I3: WeightScale = field(default_factory=WeightScale)
    I4: FiniteWidth = field(default_factory=FiniteWidth)
    I5: BornDead = field(default_factory=BornDead)
    P1: ParameterNotUpdated = field(default_factory=ParameterNotUpdated)
    P2: Ascent = field(default_factory=Ascent)
    P3: WrongGradient = field(default_factory=WrongGradient)
    L1: LearningRateTooHigh = field(default_factory=LearningRateTooHigh)
    L2: LearningRateTooLow = field(default_factory=LearningRateTooLow)
    L3: Diverged = field(default_factory=Diverged)
    L4: Guessing = field(default_factory=Guessing)
    L5: Plateau = field(default_factory=Plateau)
    L6: Oscillation = field(default_factory=Oscillation)
    G1: VanishingGradient = field(default_factory=VanishingGradient)
    G2: ExplodingGradient = field(default_factory=ExplodingGradient)
    G3: GradientSpike = field(default_factory=GradientSpike)
    A1: DeadNeurons = field(default_factory=DeadNeurons)
    A2: Saturation = field(default_factory=Saturation)
    R1: OverRegularised = field(default_factory=OverRegularised)
    U1: Underfit = field(default_factory=Underfit)
    O0: Overconfidence = field(default_factory=Overconfidence)
    O1: Overfitting = field(default_factory=Overfitting)
    O2: Memorising = field(default_factory=Memorising)
    O3: Gap = field(default_factory=Gap)
    C1: ClassIgnored = field(default_factory=ClassIgnored)
    B1: BatchNoise = field(default_factory=BatchNoise)
    B2: ModeMismatch = field(default_factory=ModeMismatch)
    X1: Leakage = field(default_factory=Leakage)

    def detectors(self) -> Iterator[Detector]:
        """Every registered detector, those without a field here at their defaults."""
        for id_, detector in registered(Detector).items():
            yield getattr(self, id_, None) or detector()

    def departures(self) -> list[str]:
        """What is judged otherwise than by default, for people: `G1.threshold = 0.01`.

        A healthy verdict means less where thresholds were moved, so a run says it.
        """
        plain = DiagnoseConfig()
        changed = [f"{id_} is silenced" for id_ in self.silence]
        for item in fields(self):
            own, usual = getattr(self, item.name), getattr(plain, item.name)
            if isinstance(own, Detector) and own != usual:
                now, before = own.to_config(), usual.to_config()
                changed += [
                    f"{item.name}.{name} = {value}"
                    for name, value in now.items()
                    if value != before[name]
                ]
        return changed
