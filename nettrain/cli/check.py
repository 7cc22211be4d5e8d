"""The verb `check`: what is known of a config before it is trained."""

from __future__ import annotations

import dataclasses
import difflib
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

from nettrain.cli import plan, plugin
from nettrain.cli.terminal import colour, joined, print_json, size, table
from nettrain.component import dump, show
from nettrain.config import resolve
from nettrain.config.fix import fix
from nettrain.config.replaced import replaced_by
from nettrain.config.tree import Tree
from nettrain.data.kept import named
from nettrain.diagnose import Finding
from nettrain.errors import visible
from nettrain.experiment.check import Report
from nettrain.experiment.check import check as examine
from nettrain.experiment.gradient_check import OFF
from nettrain.experiment.kind import is_sweep, is_sweep_file
from nettrain.experiment.memory import Prediction, refusal
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import Setup, mistakes, set_up
from nettrain.experiment.trial import Trial, trial
from nettrain.show.summary import command, grouped, message, patch
from nettrain.show.width import fitted
from nettrain.study.settings import Sweep

_HEAD = 10
"""Columns of what stands before a fact."""


def check(arguments: Namespace) -> int:
    """`nettrain check CONFIG`, of one run or of a sweep."""
    plugin.load(arguments.plugin)
    if arguments.fix:
        _fix(arguments)
    if is_sweep_file(arguments.config):
        return plan.check(arguments)
    setup = set_up(arguments.config, arguments.overrides)
    notes = [*_notes(arguments)]
    report = examine(setup)
    fits = report.needed.fits
    tried = trial(setup) if arguments.probe and fits else None
    if arguments.json:
        print_json({**_plain(setup, report, tried), "notes": notes})
    else:
        print(f"{arguments.config}: {setup.experiment.name}\n")
        print(_layers(report) + "\n")
        told = [*(f"note      {note}" for note in notes), *_facts(setup, report)]
        print(fitted("\n".join(told), _HEAD, sys.stdout))
    sys.stdout.flush()
    if not fits:
        error = refusal(setup, report.needed)
        if not arguments.json:
            raise error
        print(error, file=sys.stderr)  # its one document is printed
        return error.exit_code
    if not arguments.json:
        _tell_found(arguments, report, tried)
    return 0


def _fix(arguments: Namespace) -> None:
    """Mend the file, and show what was changed.

    Raises:
        Error: where it still cannot be read, with why that could not be mended.
    """
    done = fix(arguments.config, arguments.overrides, schema=_schema, look=mistakes)
    texts = done.before.splitlines(), done.after.splitlines()
    names = arguments.config, f"{arguments.config} (mended)"
    diff = difflib.unified_diff(*texts, *names, lineterm="")
    out = sys.stderr if arguments.json else sys.stdout
    if told := [*map(visible, diff)]:
        print("\n".join([*told, ""]), file=out, flush=True)
    if done.left:
        raise done.left


def _notes(arguments: Namespace) -> Iterator[str]:
    """Components of the config that a setting of the command line replaces."""
    if arguments.overrides:
        tree = resolve(arguments.config, schema=Experiment).tree
        yield from replaced_by(tree, Experiment, arguments.overrides)


def _schema(tree: Tree) -> type:
    """What a file is to build, by its keys."""
    return Sweep if is_sweep(tree) else Experiment


def _tell_found(arguments: Namespace, report: Report, tried: Trial | None) -> None:
    """What the first updates came to, and the findings."""
    if tried:
        print("\n" + fitted("\n".join(_tried(tried)), _HEAD, sys.stdout))
    told = tried.findings if tried else report.findings
    config = "" if arguments.overrides else arguments.config
    for text in _findings(told, arguments.config, config):
        print("\n" + text)


def _plain(setup: Setup, report: Report, tried: Trial | None) -> dict[str, Any]:
    plain = {
        "name": setup.experiment.name,
        **_fields(report),
        "parameters": report.parameters,
        "memory": report.memory,
        "predicted_memory": _needed(report.needed),
    }
    del plain["needed"]
    if tried is None:
        return plain
    probed = _fields(tried)  # its findings are those of the first updates too
    return {**plain, "findings": probed["findings"], "probe": probed}


def _needed(needed: Prediction) -> dict[str, Any]:
    """The most memory that a run would hold, in bytes, and what there is for it."""
    limit = needed.limit
    return {
        "peak": needed.nbytes,
        "stage": needed.stage.name,
        "terms": dict(needed.stage.terms),
        "available": limit and limit.nbytes,
        "limit": limit and limit.name,
        "fits": needed.fits,
    }


def _fields(told: Report | Trial) -> dict[str, Any]:
    rows = [finding.to_json() for finding in told.findings]
    return {**dataclasses.asdict(told), "findings": rows}


def _layers(report: Report) -> str:
    heads = ["layer", "kind", "output", "parameters", "memory"]
    rows = [[*heads, "variance", "measured", "line"]]
    for layer in report.layers:
        rows.append(
            [
                layer.path,
                layer.kind,
                " × ".join(map(str, layer.shape)) or "1",
                f"{layer.parameters:,}",
                size(layer.memory),
                _factor(layer.variance),
                _factor(layer.measured_variance),
                str(layer.config_line or ""),
            ]
        )
    total = ["total", "", "", f"{report.parameters:,}", size(report.memory)]
    return table([*rows, [*total, "", "", ""]], left=2)


def _factor(number: float | None) -> str:
    return "" if number is None else f"×{number:.3g}"


# ---------------------------------------------------------------- findings


def _findings(findings: tuple[Finding, ...], cited: str, tried: str) -> Iterator[str]:
    """In the words of a run.

    Args:
        cited: the file whose lines they are about.
        tried: the file that a command can be given; "" where overrides change it.
    """
    for row, follows in grouped([finding.to_json() for finding in findings]):
        words = command(patch(row), tried)
        with_colour = colour(sys.stdout)
        yield message(row, follows, config=cited, trial=words, colour=with_colour)
    if not findings:
        yield "No findings."


# ---------------------------------------------------------------- the probe


def _tried(tried: Trial) -> Iterator[str]:
    """What came of the first updates, of one batch, and of the gradients."""
    yield (
        f"probe     {tried.steps} updates: the loss went from {tried.initial_loss:.4g} "
        f"to {tried.loss:.4g}"
    )
    one, blank = tried.overfit, " " * _HEAD
    ends = "learned" if one.learned else "not learned"
    yield (
        f"{blank}one batch of {one.rows} rows, {one.updates} times: from "
        f"{one.before:.4g} to {one.after:.4g}, {ends}"
    )
    yield blank + _checked(tried)
    if tried.flow:
        rows = [[path, f"{ratio:.3g}"] for path, ratio in tried.flow.items()]
        yield "\n" + table([["gradient at", "of the output's"], *rows])


def _checked(tried: Trial) -> str:
    checks = tried.gradient_checks
    if not checks:
        return "no gradient could be checked: the cost is not finite"
    wrong = [made.parameter for made in checks if made.error > OFF]
    told = f"off at {joined(wrong)}" if wrong else "all agree"
    return f"{len(checks)} gradients beside central differences: {told}"


# ---------------------------------------------------------------- data and training


def _facts(setup: Setup, report: Report) -> Iterator[str]:
    """What there is to say of the data and the training, each with its head."""
    experiment, data = setup.experiment, report.data
    for number, line in enumerate(_data(data)):
        yield ("data".ljust(_HEAD) if number == 0 else " " * _HEAD) + line
    for number, line in enumerate(setup.notes):
        yield ("begin".ljust(_HEAD) if number == 0 else " " * _HEAD) + line
    rate, batches = experiment.optimizer.rule.learning_rate, ""
    if report.accumulate > 1:
        batches = f" ({report.accumulate} batches of {experiment.data.batch_size})"
    yield (
        f"training  {report.total_steps:,} updates of {report.batch_size} rows "
        f"each{batches}, "
        f"{report.steps_per_epoch:,} in an epoch, by "
        f"{experiment.optimizer.registered_name} at {show(dump(rate))}"
    )
    loss, first = report.initial_loss, ""
    if loss is not None:
        first = f", the first weights have {loss:.4g} (L0)"
    yield (
        f"loss      {experiment.loss.registered_name}; guessing has {report.prior:.4g} "
        f"(H0){first}"
    )
    yield from _memory(report.needed)


def _memory(needed: Prediction) -> Iterator[str]:
    """What a run needs at most, when and for what, and what is there."""
    there = "how much is there is not known"
    if needed.limit:
        there = f"{size(needed.limit.nbytes)} are there ({needed.limit.name})"
    yield (
        f"memory    a run needs {size(needed.nbytes)} at its peak, "
        f"{needed.stage.name}; {there}"
    )
    yield " " * _HEAD + joined([f"{name} {size(n)}" for name, n in needed.largest()])


def _data(data: Mapping[str, Any]) -> Iterator[str]:
    shape = " × ".join(map(str, data["input_shape"]))
    if data["task"] == "classification":
        yield f"{shape} inputs, {len(data['classes'])} classes: " + joined(
            list(map(named, data["classes"])), 10
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
