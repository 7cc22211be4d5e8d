"""The verb `check`: what is known of a config before it is trained."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

from nettrain.cli import plugin
from nettrain.cli.terminal import joined, print_json, size, table
from nettrain.component import dump, show
from nettrain.experiment.check import Report
from nettrain.experiment.check import check as examine
from nettrain.experiment.setup import Setup, set_up


def check(arguments: Namespace) -> int:
    """`nettrain check CONFIG`."""
    plugin.load(arguments.plugin)
    setup = set_up(arguments.config, arguments.overrides)
    report = examine(setup)
    if arguments.json:
        print_json(_plain(setup, report))
    else:
        print(f"{arguments.config}: {setup.experiment.name}\n")
        print(_layers(report) + "\n")
        print("\n".join(_facts(setup, report)))
    return 0


def _plain(setup: Setup, report: Report) -> dict[str, Any]:
    return {
        "name": setup.experiment.name,
        **dataclasses.asdict(report),
        "parameters": report.parameters,
        "memory": report.memory,
    }


def _layers(report: Report) -> str:
    heads = ["layer", "kind", "output", "parameters", "memory", "variance", "line"]
    rows = [heads]
    for layer in report.layers:
        rows.append(
            [
                layer.path,
                layer.kind,
                " × ".join(map(str, layer.shape)) or "1",
                f"{layer.parameters:,}",
                size(layer.memory),
                "" if layer.variance is None else f"×{layer.variance:.3g}",
                str(layer.config_line or ""),
            ]
        )
    total = ["total", "", "", f"{report.parameters:,}", size(report.memory), "", ""]
    return table([*rows, total], left=2)


def _facts(setup: Setup, report: Report) -> Iterator[str]:
    """What there is to say of the data and the training, each with its head."""
    experiment, data = setup.experiment, report.data
    for number, line in enumerate(_data(data)):
        yield ("data".ljust(10) if number == 0 else " " * 10) + line
    rate = experiment.optimizer.learning_rate
    yield (
        f"training  {report.total_steps:,} updates of {report.batch_size} rows each, "
        f"{report.steps_per_epoch:,} in an epoch, by "
        f"{experiment.optimizer.registered_name} at {show(dump(rate))}"
    )
    yield (
        f"loss      {experiment.loss.registered_name}; guessing has {report.prior:.4g} "
        "(H0), and training should begin near it"
    )


def _data(data: Mapping[str, Any]) -> Iterator[str]:
    shape = " × ".join(map(str, data["input_shape"]))
    if data["task"] == "classification":
        yield f"{shape} inputs, {len(data['classes'])} classes: " + joined(
            list(map(str, data["classes"])), 10
        )
    else:
        yield f"{shape} inputs, targets: {joined(data['targets'])}"
    for name, part in data["parts"].items():
        yield f"{name}: {part['rows']:,} rows{_targets(part)}"
    if data["constant_features"]:
        constant = data["constant_features"]
        yield f"the same in every training row: {joined(constant)}"


def _targets(part: Mapping[str, Any]) -> str:
    """Rows of the rarest and the commonest class, or mean and spread of each target."""
    if "classes" in part:
        counts = part["classes"].values()
        low, high = min(counts), max(counts)
        return (
            f", {low:,} … {high:,} of each class" if low < high else f", {low:,} each"
        )
    told = [
        f"{name} {values['mean']:.4g} ± {values['std']:.4g}"
        for name, values in part["targets"].items()
    ]
    return ", " + joined(told)
