"""Healthy controls that look ill: what a careless rule would flag.

Each is a change to a program after which it is as good as before. Whether it is, every
run has to show (`scores.is_good`).
"""

from __future__ import annotations

from experiments.faults.changes import (
    Apply,
    Change,
    Fits,
    behind,
    blocks,
    both,
    data,
    hidden_setting,
    layers,
    learner,
    longer,
    loss,
    rate,
    sample,
    setting,
    spoilt,
    stack,
    train,
)
from experiments.faults.programs import Config, Program, dense


def _linear(program: Program) -> bool:
    return program.linear


def _softmax(program: Program) -> bool:
    return program.loss == "cross_entropy"


def _regression(program: Program) -> bool:
    return not program.classification


def _classes(program: Program) -> bool:
    return program.classification


def _with(optimizer: str) -> Fits:
    return lambda program: program.optimizer_name == optimizer


def _easy(program: Program) -> bool:
    return program.data in ("wine", "blobs", "iris", "breast_cancer")


def _many_rows(program: Program) -> bool:
    return program.data not in ("wine", "iris", "diabetes")


def _random_features(config: Config, program: Program) -> None:
    """A wide frozen layer whose features are read out by the next."""
    features = dense(256, "relu", trainable=False)
    config["model"] = [features, *config["model"][-1:]]


def _raw_target(config: Config, program: Program) -> None:
    sample(config)["raw_target"] = True


def _no_hidden(config: Config, program: Program) -> None:
    config["model"] = config["model"][-1:]


def _output_from_zero(config: Config, program: Program) -> None:
    """Not a symmetry that lasts: each output has a target of its own."""
    layers(config)[-1]["weight_init"] = "zeros"


def _sparse(config: Config, program: Program) -> None:
    """Units that are silent on most rows."""
    stack(2, 64, "relu", bias_init={"constant": -0.5})(config, program)


def _scheduled(name: str, key: str, times: float, **more: object) -> Apply:
    """The program's rate times a factor, as the first setting of a schedule."""

    def apply(config: Config, program: Program) -> None:
        settings = next(iter(config["optimizer"].values()))
        peak = settings["learning_rate"] * times
        settings["learning_rate"] = {name: {key: peak, **more}}

    return apply


RESIDUAL = ["layer_norm", dense(16, "relu"), dense(32, "none")]
SILENT = [*RESIDUAL[:2], dense(32, "none", weight_init="zeros")]
"""A block that starts as the identity."""

ARCHITECTURES = (
    Change("residual, 8 blocks", both(blocks(8, 32, [{"residual": RESIDUAL}]),
           longer(1.5), learner("adam", learning_rate=2e-3)), _many_rows),
    Change("relu, 8 layers", both(stack(8, 48, "relu"),
           learner("adam", learning_rate=1e-3)), _many_rows),
    Change("relu, 4 layers, sgd", both(stack(4, 32, "relu"),
           learner("sgd", learning_rate=0.05))),
    Change("relu, 10 layers, layer_norm", both(stack(10, 32, "relu"),
           behind("layer_norm"), learner("adam", learning_rate=2e-3)), _many_rows),
    Change("tanh, 6 layers", both(stack(6, 32, "tanh"),
           learner("adam", learning_rate=3e-3)), _many_rows),
    Change("batch_norm, 6 layers", both(stack(6, 32, "relu"), behind("batch_norm"),
           learner("adam", learning_rate=3e-3), data(batch_size=26)), _classes),
    Change("batch_norm", both(behind("batch_norm"), data(batch_size=26)), _classes),
    Change("layer_norm", behind("layer_norm")),
    Change("dropout .3", both(stack(2, 64, "relu"), behind({"dropout": 0.3}),
           learner("adam", learning_rate=3e-3))),
    Change("sparse relu", both(_sparse, learner("adam", learning_rate=3e-3))),
    Change("wide, 256 units", both(stack(1, 256, "relu"),
           learner("adam", learning_rate=3e-3))),
    Change("sigmoid, 1 layer", both(stack(1, 32, "sigmoid"),
           learner("adam", learning_rate=0.03))),
    Change("selu, 5 layers", both(stack(5, 32, "selu"),
           learner("adam", learning_rate=2e-3)), _many_rows),
    Change("gelu", both(hidden_setting(activation="gelu"),
           learner("adam", learning_rate=5e-3))),
    Change("leaky_relu, 4 layers", both(stack(4, 24, "leaky_relu"),
           learner("adam", learning_rate=3e-3))),
    Change("relu6", both(stack(2, 32, "relu6"), learner("adam", learning_rate=5e-3))),
    Change("hard_tanh", both(stack(2, 32, "hard_tanh"), longer(2),
           learner("adam", learning_rate=2e-3))),
    Change("orthogonal", setting(weight_init="orthogonal")),
    Change("random features", both(_random_features,
           learner("adam", learning_rate=0.01)), _classes),
    Change("linear model on linear data", both(_no_hidden,
           learner("adam", learning_rate=0.02)), _linear),
)  # fmt: skip

TRAINING = (
    Change("rate x 3", rate(3.0)),
    Change("rate / 4, three times as long", both(rate(0.25), longer(3))),
    Change("four times as long", longer(4)),
    Change("batch 1", both(data(batch_size=1), rate(0.1),
           train(epochs=5)), _with("sgd")),
    Change("full batch", both(data(batch_size=100_000), train(epochs=300),
           learner("adam", learning_rate=0.01))),
    Change("momentum .9", learner("sgd", learning_rate=0.03, momentum=0.9)),
    Change("nesterov", learner("sgd", learning_rate=0.03, momentum=0.9, nesterov=True)),
    Change("rmsprop", learner("rmsprop", learning_rate=3e-3)),
    Change("adamw .01", learner("adamw", learning_rate=5e-3, weight_decay=0.01)),
    Change("weight_l2 .001", setting(weight_l2=0.001)),
    Change("cosine, warm-up", _scheduled("cosine", "peak", 2.0, warmup="10 %")),
    Change("staircase", _scheduled("step", "initial", 2.0, every="8 epochs",
           factor=0.5)),
    Change("clipped", train(clip_norm=1.0)),
    Change("early stopping", both(longer(3), train(stop={"monitor": "validation/loss",
           "patience": 8, "restore_best": True}))),
    Change("a last batch of few rows", data(batch_size=29)),
)  # fmt: skip

DATA = (
    Change("not standardized", data(preprocess=[]),
           lambda p: not p.raw and p.data != "digits"),
    Change("min_max", both(data(preprocess=["min_max"]), longer(2))),
    Change("3 % wrong labels", spoilt({"wrong_labels": 0.03}), _classes),
    Change("imbalance 2:1", spoilt({"imbalanced": 2.0}), _classes),
    Change("40 rows", both(spoilt({"few": 40}), longer(2), data(batch_size=8)),
           _easy),
    Change("balanced class weights", loss({"cross_entropy":
           {"class_weights": "balanced"}}), _softmax),
    Change("label smoothing", loss({"cross_entropy": {"label_smoothing": 0.1}}),
           _softmax),
    Change("huber", loss("huber"), _regression),
    Change("target in its unit", both(_raw_target, longer(1.5)),
           lambda p: p.data == "friedman1"),
)  # fmt: skip

FROM_ZERO = (
    Change("residual, blocks from zero", both(blocks(8, 32, [{"residual": SILENT}]),
           longer(1.5), learner("adam", learning_rate=2e-3)), _many_rows),
    Change("output from zero", _output_from_zero),
    Change("linear model from zero", both(_no_hidden, _output_from_zero,
           learner("adam", learning_rate=0.02)), _linear),
)  # fmt: skip

CONTROLS = {
    change.name: change for change in (*ARCHITECTURES, *TRAINING, *DATA, *FROM_ZERO)
}
