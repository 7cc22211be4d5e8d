"""Recorded columns and drawings, as a run gives them, for the tests of the pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import Any

import numpy as np

from nettrain.show.drawing import Arrow, Box, Drawing, Step

PER_EPOCH = 10


def texts(svg: str) -> list[str]:
    """What a picture says; fails where it is no well-formed XML."""
    root = ElementTree.fromstring(svg)
    return [e.text or "" for e in root.iter() if e.tag.endswith(("text", "title"))]


def metrics(epochs: int = 6, **columns: Any) -> dict[str, np.ndarray]:
    """metrics.jsonl as columns: the loss falls, validation is best in epoch 4."""
    step = np.arange(1, epochs * PER_EPOCH + 1)
    epoch = (step - 1) // PER_EPOCH + 1
    ends = step % PER_EPOCH == 0
    found = {
        "step": step,
        "epoch": epoch,
        "train/loss": 2.0 / step**0.3,
        "train/epoch_loss": np.where(ends, 1.9 / step**0.3, np.nan),
        "validation/loss": np.where(ends, 1.0 + 0.05 * (epoch - 4.0) ** 2, np.nan),
        "train/accuracy": np.where(ends, 1 - 1 / (1 + epoch), np.nan),
        "validation/accuracy": np.where(ends, 0.9 - 1 / (2 + epoch), np.nan),
    }
    return found | columns


def statistics(
    layers: int = 3, epochs: int = 4, decay: float = 0.8, path: str = "dense"
) -> dict[str, np.ndarray]:
    """statistics.csv as columns; the gradient falls by `decay` a layer.

    Args:
        path: of a layer, before its number.
    """
    rows = []
    moments = [(1, 1), (2, 1), *((e * PER_EPOCH, e) for e in range(1, epochs + 1))]
    for step, epoch in moments:
        for layer in range(layers):
            row = {
                "step": step,
                "epoch": epoch,
                "value_mean": 0.5,
                "value_std": 1.0,
                "value_min": 0.0,
                "value_max": 4.0,
                "value_zero": 0.1 * layer,
                "gradient_rms": 0.1 * decay ** (layers - 1 - layer) / step,
                "update_ratio": np.nan,
            }
            for role in ("pre_activation", "activation"):
                rows.append(
                    row | {"node": f"model/{path}{layer + 1}/{role}", "role": role}
                )
            weight = {"node": f"model/{path}{layer + 1}/weight", "role": "parameter"}
            rows.append(row | weight | {"update_ratio": 1e-3})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def article() -> Drawing:
    """f = (x + y) z at x = 2, y = 3, z = -4."""
    boxes = [
        Box("x", "x", kind="input", value="2", gradient="-4"),
        Box("y", "y", kind="input", value="3", gradient="-4"),
        Box("z", "z", kind="parameter", value="-4", gradient="5"),
        Box("q", "q", ["x + y"], value="5", gradient="-4"),
        Box("f", "f", ["q * z"], kind="cost", value="-20", gradient="1"),
    ]
    arrows = [
        Arrow("x", "q", "∂q/∂x = 1"),
        Arrow("y", "q", "∂q/∂y = 1"),
        Arrow("q", "f", "∂f/∂q = -4"),
        Arrow("z", "f", "∂f/∂z = 5"),
    ]
    steps = [
        Step("forward", "q = x + y = 5", "q", "5"),
        Step("backward", "df/dx = df/dq · dq/dx = -4 · 1 = -4", "x", "-4"),
        Step("update", "z ← z - rate · gradient = -4.5", "z", "-4.5"),
    ]
    return Drawing(boxes, arrows, "f = (x + y) * z", steps)


def network(widths: Sequence[int] = (64, 32, 10)) -> Drawing:
    """A multilayer perceptron with its cost."""
    boxes, arrows, last = [Box("x", "inputs", kind="input")], [], "x"
    for i, width in enumerate(widths, 1):
        scope = f"model/dense{i}"
        names = [f"{scope}/{n}" for n in ("weight", "bias", "matmul", "pre", "relu")]
        kinds = ("parameter", "parameter", "operation", "operation", "activation")
        boxes += [
            Box(
                name,
                name.rpartition("/")[2],
                [f"({width},)"],
                kind,
                scope,
                "0.1",
                "1e-3",
            )
            for name, kind in zip(names, kinds, strict=True)
        ]
        weight, bias, matmul, pre, relu = names
        arrows += [Arrow(last, matmul), Arrow(weight, matmul), Arrow(matmul, pre)]
        arrows += [Arrow(bias, pre), Arrow(pre, relu)]
        last = relu
    boxes.append(Box("cost", "cross_entropy", kind="cost", scope="cost"))
    return Drawing(boxes, [*arrows, Arrow(last, "cost")], "network")


def loop() -> Drawing:
    """A layer that goes through time: its loop has a round's body in it."""
    scan = "rnn/scan"
    boxes = [
        Box("x", "inputs", kind="input"),
        Box("carry", "carry", kind="state", scope=scan),
        Box("add", "+", scope=scan),
        Box("tanh", "tanh", scope=scan),
        Box("last", "activation", scope=scan),
        Box("w", "recurrent", kind="parameter", scope="rnn"),
        Box("cost", "loss", kind="cost"),
    ]
    pairs = ["x add", "carry add", "w add", "add tanh", "tanh last", "last cost"]
    arrows = [Arrow(*pair.split()) for pair in pairs]
    arrows.append(Arrow("tanh", "carry", back=True))
    return Drawing(boxes, arrows, "rnn", notes={scan: "· 9 time steps"})


def blocks(times: int, healths: Sequence[float] = ()) -> Drawing:
    """Blocks in a row, each of two layers with a shortcut around them, and a mask."""
    boxes, arrows = [Box("x", "inputs", kind="input")], []
    last = "x"
    for i in range(times):
        scope = f"model/block{i + 1}"
        health = healths[i] if healths else None
        for layer, before in (("a", last), ("b", f"{scope}/a/tanh")):
            inner = f"{scope}/{layer}"
            weight, tanh = f"{inner}/weight", f"{inner}/tanh"
            boxes += [
                Box(weight, "weight", kind="parameter", scope=inner, health=health),
                Box(
                    tanh,
                    "tanh",
                    scope=inner,
                    health=health,
                    gradient=str(health),
                    facts={"shape": [4, 8]},
                ),
            ]
            arrows += [Arrow(weight, tanh), Arrow(before, tanh)]
        boxes.append(Box(f"{scope}/add", "+", scope=scope, value=str(i)))
        arrows += [
            Arrow(last, f"{scope}/add"),
            Arrow(f"{scope}/b/tanh", f"{scope}/add"),
        ]
        last = f"{scope}/add"
    return Drawing(boxes, arrows, "blocks")
