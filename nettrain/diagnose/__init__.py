"""Telling why a network does not learn: statistics, evidence, findings, remedies."""

from nettrain.diagnose.causes import diagnose
from nettrain.diagnose.evidence import Blame, Check, Evidence, Modes, Units
from nettrain.diagnose.facts import (
    Decay,
    FirstWeights,
    GradientCheck,
    Inputs,
    LayerFacts,
    PreActivation,
    Setting,
    Signals,
    Targets,
    Told,
)
from nettrain.diagnose.finding import Edit, Finding, Remedy
from nettrain.diagnose.settings import DiagnoseConfig

__all__ = [
    "Blame",
    "Check",
    "Decay",
    "DiagnoseConfig",
    "Edit",
    "Evidence",
    "Finding",
    "FirstWeights",
    "GradientCheck",
    "Inputs",
    "LayerFacts",
    "Modes",
    "PreActivation",
    "Remedy",
    "Setting",
    "Signals",
    "Targets",
    "Told",
    "Units",
    "diagnose",
]
