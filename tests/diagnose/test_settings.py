"""The `diagnose:` section."""

from __future__ import annotations

from typing import Any

import pytest

from nettrain.component import Problem, build, dump, json_schema, registered
from nettrain.diagnose import DiagnoseConfig
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.detectors import VanishingGradient


def read(value: Any) -> tuple[Any, list[Problem]]:
    problems: list[Problem] = []
    return build(DiagnoseConfig | bool, value, ("diagnose",), problems), problems


@pytest.mark.parametrize("value", [True, False])
def test_yes_or_no(value: bool) -> None:
    assert read(value) == (value, [])


def test_thresholds_and_silence() -> None:
    config, problems = read({"silence": ["A1"], "G1": {"threshold": 1e-4}, "every": 7})
    assert not problems
    assert config.silence == ("A1",) and config.every == 7
    detectors = {d.registered_name: d for d in config.detectors()}
    assert detectors["G1"] == VanishingGradient(threshold=1e-4)
    assert list(detectors) == list(registered(Detector))


def test_the_resolved_form_reads_back_to_the_same() -> None:
    config, _ = read({"G1": {"threshold": 1e-4}})
    plain = dump(config)
    assert plain["G1"]["threshold"] == 1e-4 and plain["G1"]["checks"] == 2
    assert read(plain) == (config, [])


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"silence": ["G7"]}, ("diagnose", "silence", 0)),
        ({"G1": {"threshold": 0}}, ("diagnose", "G1", "threshold")),
        ({"G1": {"treshold": 1}}, ("diagnose", "G1", "treshold")),
        ({"X9": {}}, ("diagnose", "X9")),
        ({"every": 0}, ("diagnose", "every")),
    ],
)
def test_mistakes_have_their_place(value: Any, path: tuple[str | int, ...]) -> None:
    _, problems = read(value)
    assert [problem.path for problem in problems] == [path]


def test_the_schema_lists_thresholds() -> None:
    properties = json_schema(DiagnoseConfig)["properties"]
    assert properties["G1"]["then"]["properties"]["threshold"]["default"] == 1e-3
    assert "N1" in properties["silence"]["items"]["enum"]


def test_every_detector_with_thresholds_has_its_key() -> None:
    for id_, detector in registered(Detector).items():
        has_fields = bool(detector().to_config())
        assert isinstance(getattr(DiagnoseConfig(), id_, None), detector) is has_fields


def test_every_detector_says_formula_and_healthy_range() -> None:
    for detector in registered(Detector).values():
        assert detector.__doc__ and "Healthy" in detector.__doc__
        assert detector.title
