"""The detectors, by family. One more: a class, its place in `causes.ORDER`, its field.

Importing this package registers them all.
"""

from nettrain.diagnose.detectors.data import (
    ClassImbalance,
    DataDefects,
    OrderEffect,
    TellingColumn,
    UnscaledInputs,
)
from nettrain.diagnose.detectors.generalization import (
    ClassIgnored,
    Drifting,
    Gap,
    Leakage,
    Memorising,
    Overconfidence,
    Overfitting,
    Underfit,
)
from nettrain.diagnose.detectors.gradient import (
    ExplodingGradient,
    GradientSpike,
    VanishingGradient,
)
from nettrain.diagnose.detectors.initial import (
    BornDead,
    FiniteWidth,
    InitialLoss,
    Symmetry,
    WeightScale,
)
from nettrain.diagnose.detectors.loss import Diverged, Guessing, Oscillation, Plateau
from nettrain.diagnose.detectors.noise import BatchNoise, ModeMismatch
from nettrain.diagnose.detectors.nonfinite import NonFinite
from nettrain.diagnose.detectors.rate import LearningRateTooHigh, LearningRateTooLow
from nettrain.diagnose.detectors.regularization import OverRegularised
from nettrain.diagnose.detectors.units import DeadNeurons, Saturation
from nettrain.diagnose.detectors.updates import (
    Ascent,
    ParameterNotUpdated,
    WrongGradient,
)

__all__ = [
    "Ascent",
    "BatchNoise",
    "BornDead",
    "ClassIgnored",
    "ClassImbalance",
    "DataDefects",
    "DeadNeurons",
    "Diverged",
    "Drifting",
    "ExplodingGradient",
    "FiniteWidth",
    "Gap",
    "GradientSpike",
    "Guessing",
    "InitialLoss",
    "Leakage",
    "LearningRateTooHigh",
    "LearningRateTooLow",
    "Memorising",
    "ModeMismatch",
    "NonFinite",
    "OrderEffect",
    "Oscillation",
    "OverRegularised",
    "Overconfidence",
    "Overfitting",
    "ParameterNotUpdated",
    "Plateau",
    "Saturation",
    "Symmetry",
    "TellingColumn",
    "Underfit",
    "UnscaledInputs",
    "VanishingGradient",
    "WeightScale",
    "WrongGradient",
]
