"""The kinds of faults: what is done, which findings name the cause, and where it is.

`right` holds the ids of the findings that name the cause, or whose remedy is the one
for it. N1 is among those of too high a rate: numbers that overflow at once leave
nothing else to see. Kinds for convolution and recurrence (a recurrent net over 100
steps) join the list once these layers exist, with programs that have them.
"""

from __future__ import annotations

from typing import Any

from experiments.faults.changes import (
    Apply,
    Fault,
    both,
    data,
    first_layer,
    hidden,
    hidden_setting,
    layers,
    learner,
    longer,
    middle_layer,
    optimizer,
    setting,
    single,
    spoilt,
    stack,
    training,
)
from experiments.faults.programs import Config, Program, sgd

TOO_FAST = ("L1", "L3", "N1")
MEMORIZED = ("O1", "O2", "O3")


def _tanh(program: Program) -> bool:
    return program.activation == "tanh"


def _relu(program: Program) -> bool:
    return program.activation == "relu"


def _sgd(program: Program) -> bool:
    return program.optimizer_name == "sgd"


def _adam(program: Program) -> bool:
    return program.optimizer_name == "adam"


def _classes(program: Program) -> bool:
    return program.classification


def _curved(program: Program) -> bool:
    return not program.linear


def _wide(program: Program) -> bool:
    """Whether the first layer has to choose among many features."""
    return program.data in ("digits", "friedman1", "regression", "breast_cancer")


def _many_classes(program: Program) -> bool:
    return program.data in ("digits", "blobs", "classification", "spirals")


def _small_classes(program: Program) -> bool:
    """Whether an epoch in order of the classes forgets the first ones."""
    return program.classification and program.data != "digits"


def _forgotten(config: Config, program: Program) -> None:
    """The first weights are not in the optimizer."""
    path = "model/dense1/weight"
    config["optimizer"] = {"forgetful": {**optimizer(config), "forgets": path}}


def _linear(config: Config, program: Program) -> None:
    for layer in hidden(config):
        layer["activation"] = "none"


def _regressed(config: Config, program: Program) -> None:
    """Class numbers predicted as if they were quantities."""
    config["loss"] = "mse"
    config["metrics"] = ["rounded_accuracy"]


def _frozen(config: Config, program: Program) -> None:
    layers(config)[0]["trainable"] = False


def _unshuffled(config: Config, program: Program) -> None:
    spoilt("sorted")(config, program)
    config["data"]["shuffle"] = False


def _tiny(config: Config, program: Program) -> None:
    """16 rows, and updates enough to learn them by heart."""
    both(spoilt({"few": 16}), data(batch_size=4), longer(3))(config, program)


def _raw(*spoilings: Any) -> Apply:
    """Spoilt inputs that nothing brings back to scale."""
    return both(spoilt(*spoilings), data(preprocess=[]))


def _normal(std: float) -> dict[str, Any]:
    return {"weight_init": {"normal": {"std": std}}}


def _deep(depth: int, width: int, activation: str, std: float | None = None) -> Apply:
    """Layers that would learn with Adam, but for what is wrong with them."""
    wrong = [] if std is None else [setting(**_normal(std))]
    careful = learner("adam", learning_rate=2e-3)
    return both(stack(depth, width, activation), careful, *wrong)


def _one_layer(std: float) -> Apply:
    """One of four layers starts at another scale than the rest."""

    def apply(config: Config, program: Program) -> None:
        stack(4, 32, "relu")(config, program)
        config["optimizer"] = sgd(0.05)
        hidden(config)[2].update(_normal(std))

    return apply


def _third(program: Program) -> str:
    return "dense3"


BIAS = {"bias_init": {"constant": -10.0}}

SIGNAL = (
    Fault("deep sigmoid", _deep(8, 48, "sigmoid"), _classes, right=("G1",)),
    Fault("tanh N(0, .01)", _deep(6, 32, "tanh", 0.01), _tanh, right=("I3",)),
    Fault("relu N(0, .01)", _deep(6, 32, "relu", 0.01), _relu, right=("I3",)),
    Fault("N(0, 1)", _deep(4, 64, "relu", 1.0), _relu, right=("I3",)),
    Fault("tanh N(0, 9)", _deep(3, 48, "tanh", 3.0), _tanh, right=("I3",)),
    Fault("one layer N(0, 100)", _one_layer(10.0), _relu, right=("I3",), layer=_third),
    Fault("bias -10", hidden_setting(**BIAS), _relu, right=("I5",)),
    Fault("one layer bias -10", single(**BIAS), _relu, right=("I5",),
          layer=middle_layer),
    Fault("narrow deep relu", _deep(10, 3, "relu"), _relu, right=("I4", "I5")),
    Fault("zero init", setting(weight_init="zeros"), right=("I1",)),
    Fault("constant init", setting(weight_init={"constant": 0.1}), right=("I1",)),
    Fault("one layer zero init", single(weight_init="zeros"), _relu, right=("I1",),
          layer=middle_layer),
    Fault("one layer constant init", single(weight_init={"constant": 0.1}),
          lambda p: len(p.widths) > 1, right=("I1",), layer=middle_layer),
    Fault("linear activations", _linear, _curved, right=("U1",)),
)  # fmt: skip

TRAINING = (
    Fault("sgd rate 2", training(learning_rate=2.0), _sgd, right=TOO_FAST),
    Fault("adam rate 1", training(learning_rate=1.0), _adam, right=TOO_FAST),
    Fault("tanh rate 10", learner("sgd", learning_rate=10.0), _tanh, right=TOO_FAST),
    Fault("adam rate 1e-7", training(learning_rate=1e-7), _adam, right=("L2",)),
    Fault("sgd rate 1e-5", learner("sgd", learning_rate=1e-5), right=("L2",)),
    Fault("flipped sign", training(maximize=True), right=("P2",)),
    Fault("weight decay 1", training(weight_decay=1.0), right=("R1",)),
    Fault("first weight not in the optimizer", _forgotten,
          lambda p: _adam(p) and _wide(p), right=("P1",), layer=first_layer,
          recoverable=False),
    Fault("first layer frozen by accident", _frozen, _wide, right=("P1",),
          layer=first_layer, recoverable=False),
    Fault("wrong loss for the task", _regressed,
          _many_classes, right=("D3",)),
)  # fmt: skip

DATA = (
    Fault("shuffled labels", spoilt("shuffled_labels"), right=("O2", "L4", "U1"),
          recoverable=False),
    Fault("inputs x 1000", _raw({"scaled": {"factor": 1000.0}}), right=("D1",)),
    Fault("one feature x 1e4", _raw({"scaled": {"factor": 1e4, "features": 1}}),
          lambda p: p.data != "digits", right=("D1",)),
    Fault("raw unscaled table", data(preprocess=[]), lambda p: p.raw, right=("D1",)),
    Fault("tiny training set", _tiny, lambda p: not p.raw,
          right=MEMORIZED, recoverable=False),
    Fault("20 % wrong labels", both(spoilt({"wrong_labels": 0.2}), longer(3)),
          _classes, right=MEMORIZED, recoverable=False),
    Fault("imbalance 25:1", spoilt({"imbalanced": 25.0}), _classes, right=("D2",),
          recoverable=False),
    Fault("unshuffled batches", _unshuffled, _small_classes, right=("D4",)),
)  # fmt: skip

FAULTS = {fault.name: fault for fault in (*SIGNAL, *TRAINING, *DATA)}
