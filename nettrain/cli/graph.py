"""The verb `graph`: value and gradient of every node, as table, steps or picture."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from nettrain.cli import plugin
from nettrain.cli.terminal import print_json, table
from nettrain.errors import Error

if TYPE_CHECKING:
    from nettrain.explore.evaluation import Evaluation


def graph(arguments: Namespace) -> int:
    """`nettrain graph CONFIG|RUN|EXPRESSION`."""
    plugin.load(arguments.plugin)
    evaluation = _evaluation(arguments)
    if arguments.out:
        # A network's many steps are for those who ask for them.
        walks = arguments.steps or not evaluation.is_network
        rate = arguments.rate if walks else None
        evaluation.draw(arguments.out, rate, arguments.unroll, arguments.unfold)
    if arguments.json:
        print_json(evaluation.to_json())
    elif arguments.steps:
        print("\n".join(evaluation.steps(arguments.rate)))
    elif not arguments.out:
        print(_table(evaluation))
    else:
        print(f"written to {arguments.out}")
    return 0


def _evaluation(arguments: Namespace) -> Evaluation:
    """Of a config, a run folder, or else an expression."""
    what = arguments.what
    if os.path.isfile(what) or what.endswith((".yaml", ".yml")):
        from nettrain.experiment.graph import config_evaluation
        from nettrain.experiment.setup import set_up

        _refuse(arguments, "at", "weights")
        return config_evaluation(set_up(what, arguments.overrides))
    _refuse(arguments, "overrides")
    if os.path.isdir(what):
        from nettrain.experiment.graph import run_evaluation

        _refuse(arguments, "at", "weights")
        return run_evaluation(what)
    return _expression(arguments)


def _expression(arguments: Namespace) -> Evaluation:
    from nettrain.explore.expression import expression, read_values

    what = arguments.what
    if os.sep in what and not arguments.at and not any(c in what for c in " =("):
        message = f'there is no config or run "{what}"'
        fix = "an expression with names needs their values: --at x=2,y=3"
        raise Error("usage-missing-file", message, fix=fix)
    names = arguments.weights
    weights = None if names is None else [n.strip() for n in names.split(",") if n]
    return expression(what, read_values(arguments.at), weights)


def _refuse(arguments: Namespace, *unused: str) -> None:
    """Refuse arguments that mean nothing for what is drawn."""
    reasons = {
        "at": "--at is for the names of an expression",
        "weights": "--weights is for the names of an expression",
        "overrides": "only a config takes KEY=VALUE",
    }
    for name in unused:
        if getattr(arguments, name):
            fix = "an expression with blanks stands in quotes"
            raise Error("usage-arguments", reasons[name], fix=fix)


def _table(evaluation: Evaluation) -> str:
    """A row per node, inputs before their users."""
    rows = [["node", "operation", "shape", "value", "gradient"]]
    for name, node in evaluation.to_json()["nodes"].items():
        shape = " × ".join(map(str, node["shape"]))
        value, gradient = _number(node["value"]), _number(node["gradient"])
        rows.append([name, node["op"], shape, value, gradient])
    return table(rows, left=3)


def _number(value: Any) -> str:
    return f"rms {value['rms']:.4g}" if isinstance(value, dict) else f"{value:.6g}"
