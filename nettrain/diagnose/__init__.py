"""Telling why a network does not learn: statistics, evidence, findings, remedies."""

from nettrain.diagnose.causes import diagnose
from nettrain.diagnose.evidence import (
    Blame,
    Check,
    Evidence,
    LayerFacts,
    PreActivation,
    Setting,
    Units,
)
from nettrain.diagnose.finding import Edit, Finding, Remedy
from nettrain.diagnose.settings import DiagnoseConfig

__all__ = [
    "Blame",
    "Check",
    "DiagnoseConfig",
    "Edit",
    "Evidence",
    "Finding",
    "LayerFacts",
    "PreActivation",
    "Remedy",
    "Setting",
    "Units",
    "diagnose",
]
