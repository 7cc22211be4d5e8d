"""Faults and healthy controls of the programs in `structured`.

`right` is as in `kinds`. What too long sequences do to a plain recurrent net is G1 at a
time step; recurrent weights of a wrong scale are I3, as all others are.
"""

from __future__ import annotations

from typing import Any

from experiments.faults.changes import (
    Apply,
    Change,
    Fault,
    both,
    data,
    learner,
    longer,
    rate,
    train,
    training,
)
from experiments.faults.kinds import TOO_FAST
from experiments.faults.programs import Config, Program, dense
from experiments.faults.structured import (
    conv,
    embedding,
    encoder,
    layers_of,
    long_sequences,
)

CONVOLUTIONS = ("conv1d", "conv2d")
LOOPS = ("rnn", "lstm", "gru")
PLAIN, NORMALIZED = ("convolutional",), ("normalized",)
IMAGES, RECURRENT, ATTENTION = (*PLAIN, *NORMALIZED), ("recurrent",), ("attention",)
ALL = (*IMAGES, *RECURRENT, *ATTENTION)


def _of(*kinds: str, **changes: Any) -> Apply:
    """Settings of every layer of these kinds."""

    def apply(config: Config, program: Program) -> None:
        for settings in layers_of(config, *kinds):
            settings.update(changes)

    return apply


def _first_of(*kinds: str, **changes: Any) -> Apply:
    def apply(config: Config, program: Program) -> None:
        layers_of(config, *kinds)[0].update(changes)

    return apply


def _normal(std: float) -> dict[str, Any]:
    return {"normal": {"std": std}}


def _steps(count: int) -> Apply:
    return lambda config, program: long_sequences(config, count)


def _rank(program: Program) -> int:
    return 1 if program.data == "waves" else 2


def _width(program: Program) -> int:
    """Of the program's own first layer, so that no two programs' runs are the same."""
    return program.widths[0]


def _end(program: Program) -> str:
    """From positions to features; a stroke may be anywhere."""
    return "global_max_pool" if program.data == "strokes" else "flatten"


def _deep(depth: int, activation: str, norm: Any = None, std: float = 0.0) -> Apply:
    """So many convolutions, then the mean over all positions."""

    def apply(config: Config, program: Program) -> None:
        more = {"weight_init": _normal(std)} if std else {}
        inner = activation if norm is None else "none"
        block: list[Any] = [conv(_width(program), inner, _rank(program), **more)]
        block += [] if norm is None else [norm, activation]
        repeat = {"repeat": {"times": depth, "block": block}}
        config["model"][:-1] = [repeat, "global_average_pool"]
        config["optimizer"] = {"adam": {"learning_rate": 3e-3}}

    return apply


def _loop(kind: str, **more: Any) -> Apply:
    """A loop before the output."""

    def apply(config: Config, program: Program) -> None:
        config["model"][:-1] = [{kind: {"units": _width(program), **more}}]

    return apply


def _two_lstm(config: Config, program: Program) -> None:
    units = _width(program)
    first = {"lstm": {"units": units, "outputs": "all"}}
    config["model"][:-1] = [first, {"lstm": {"units": units}}]


def _symbols(program: Program) -> int:
    return 4 if program.data == "commonest" else 8


def _attending(*blocks: Any, **embedded: Any) -> Apply:
    """Embedded symbols and their positions, then these blocks."""

    def apply(config: Config, program: Program) -> None:
        symbols = embedding(16, _symbols(program), **embedded)
        end = ["pool_time"] if program.data == "commonest" else []
        config["model"][:-1] = [symbols, {"positional": {}}, *blocks, *end]

    return apply


def _first_convolution(program: Program) -> str:
    return f"conv{_rank(program)}d1"


def _rectified(program: Program) -> bool:
    return "relu" in program.activation


def _plain_rnn(program: Program) -> bool:
    return program.activation == "rnn"


def _remembers(program: Program) -> bool:
    return program.data in ("adding", "remembered")


def _adam(program: Program) -> bool:
    return program.optimizer_name == "adam"


RADIUS = {"orthogonal": {"gain": 5.0}}
ALONE = {"residual": [{"attention": {"heads": 2}}]}
CAUTION = learner("adam", learning_rate=3e-3)

FAULTS = (
    Fault("conv N(0, 1)", _of(*CONVOLUTIONS, weight_init=_normal(1.0)), right=("I3",),
          kinds=PLAIN),
    Fault("conv N(0, 25)", _of(*CONVOLUTIONS, weight_init=_normal(5.0)), right=("I3",),
          kinds=PLAIN),
    Fault("deep conv N(0, .03)", _deep(10, "relu", std=0.03), right=("I3",),
          kinds=PLAIN),
    Fault("conv bias -10", _first_of(*CONVOLUTIONS, bias_init={"constant": -10.0}),
          _rectified, right=("I5",), layer=_first_convolution, kinds=PLAIN),
    Fault("conv zero init", _of(*CONVOLUTIONS, weight_init="zeros"), right=("I1",),
          kinds=PLAIN),
    Fault("deep conv sigmoid", _deep(7, "sigmoid"), right=("G1",), kinds=PLAIN),
    Fault("deep conv without normalization", _deep(16, "relu"),
          right=("G1", "I4", "I5"), kinds=NORMALIZED),
    Fault("rnn over 60 steps", both(_steps(60), _loop("rnn"), CAUTION), _remembers,
          right=("G1",), kinds=RECURRENT),
    Fault("rnn, small recurrent weights", both(_steps(30), _loop("rnn",
          recurrent_init=_normal(0.03)), CAUTION), _remembers, right=("I3", "G1"),
          kinds=RECURRENT),
    Fault("rnn, sigmoid", both(_steps(30), _loop("rnn", activation="sigmoid"), CAUTION),
          _remembers, right=("G1",), kinds=RECURRENT),
    Fault("rnn, large recurrent weights", both(_steps(30), _loop("rnn",
          recurrent_init=RADIUS), CAUTION), right=("I3",), kinds=RECURRENT),
    Fault("relu rnn, large recurrent weights", both(_steps(30), _loop("rnn",
          recurrent_init={"orthogonal": {"gain": 2.0}}, activation="relu"), CAUTION),
          right=("I3",), kinds=RECURRENT),
    Fault("lstm, large recurrent weights", both(_steps(30), _loop("lstm",
          recurrent_init=_normal(5.0)), CAUTION), right=("I3",), kinds=RECURRENT),
    Fault("lstm that forgets", both(_steps(40), _loop("lstm", forget_bias=-6.0),
          CAUTION), _remembers, right=("G1",), kinds=RECURRENT),
    Fault("embedding N(0, 900)", _of("embedding", weight_init=_normal(30.0)),
          right=("I3",), kinds=ATTENTION),
    Fault("one place alone", _attending(ALONE, weight_init=_normal(30.0)),
          right=("I3", "A2"), kinds=ATTENTION),
    Fault("structured, adam rate 1", training(learning_rate=1.0), _adam,
          right=TOO_FAST, kinds=ALL),
    Fault("structured, sgd rate 5", learner("sgd", learning_rate=5.0), right=TOO_FAST,
          kinds=ALL),
    Fault("structured, adam rate 1e-7", learner("adam", learning_rate=1e-7),
          right=("L2",), kinds=ALL),
    Fault("structured, flipped sign", training(maximize=True), right=("P2",),
          kinds=ALL),
)  # fmt: skip

SHORTCUT = {"residual": ["layer_norm", {"attention": {"heads": 2}}]}


def _residual(config: Config, program: Program) -> None:
    rank, width = _rank(program), _width(program)
    inner = ["batch_norm", "relu", conv(width, "none", rank)]
    block = {"residual": [*inner, *inner]}
    config["model"][:-1] = [
        conv(width, "none", rank),
        {"repeat": {"times": 3, "block": [block]}},
        "relu",
        _end(program),
    ]


def _parts(config: Config, program: Program) -> None:
    rank, width = _rank(program), _width(program)
    paths = [[conv(width, rank=rank)], [conv(width, rank=rank, size=1)], []]
    config["model"][:-1] = [
        {"branch": {"paths": paths}},
        conv(2 * width, rank=rank, stride=2, padding=1),
        _end(program),
    ]


def _two(*between: Any, second: str = "conv2d") -> Apply:
    """Two convolutions with something between them."""

    def apply(config: Config, program: Program) -> None:
        width = _width(program)
        settings = {"filters": 2 * width, "size": 3, "activation": "relu"}
        inner = "none" if between else "relu"
        row = [conv(width, inner), *between, {second: settings}]
        config["model"][:-1] = [*row, _end(program)]

    return apply


def _root_mean_square(config: Config, program: Program) -> None:
    row = [conv(2 * _width(program)), _end(program), "rms_norm"]
    config["model"][:-1] = [*row, dense(32, "relu")]


def _images(program: Program) -> bool:
    return program.data != "waves"


CONTROLS = (
    Change("residual convolutions", both(_residual, CAUTION), kinds=IMAGES),
    Change("branches", both(_parts, CAUTION), kinds=IMAGES),
    Change("separable", both(_two(second="separable_conv2d"), CAUTION, longer(1.5)),
           _images, kinds=IMAGES),
    Change("deep conv, batch_norm", both(_deep(6, "relu", "batch_norm"), longer(2)),
           kinds=IMAGES),
    Change("instance_norm", both(_two("instance_norm", "relu"), CAUTION, longer(1.5)),
           _images, kinds=IMAGES),
    Change("conv, then rms_norm", both(_root_mean_square, CAUTION, longer(1.5)),
           _images, kinds=IMAGES),
    Change("relu rnn", both(_loop("rnn", activation="relu"), CAUTION), _remembers,
           kinds=RECURRENT),
    Change("gru", _loop("gru"), lambda p: p.activation != "gru", kinds=RECURRENT),
    Change("lstm, both directions", _loop("lstm", direction="both"), kinds=RECURRENT),
    Change("two lstm", both(_two_lstm, longer(1.5)), kinds=RECURRENT),
    Change("lstm over 40 steps", both(_steps(40), _loop("lstm"), longer(2),
           learner("adam", learning_rate=1e-2)), _remembers, kinds=RECURRENT),
    Change("attention, no block", both(_attending(SHORTCUT, dense(32, "relu")), CAUTION,
           longer(1.5)), kinds=ATTENTION),
    Change("two encoders, dropout", both(_attending(encoder(causal=True), encoder(
           dropout=0.1), "layer_norm"), CAUTION, longer(1.5)), kinds=ATTENTION),
    Change("two causal encoders", both(_attending(encoder(causal=True),
           encoder(causal=True), "layer_norm"), CAUTION), kinds=ATTENTION),
    Change("rotary", both(_attending(encoder(causal=True, rotary=True), "layer_norm"),
           CAUTION, longer(1.5)), kinds=ATTENTION),
    Change("small embedding", both(_attending(encoder(causal=True), "layer_norm",
           weight_init=_normal(0.02)), CAUTION, longer(1.5)), kinds=ATTENTION),
    Change("structured, rate x 2", rate(2.0), kinds=ALL),
    Change("structured, three times as long", longer(3), kinds=ALL),
    Change("structured, clipped", train(clip_norm=1.0), kinds=ALL),
    Change("structured, batches of 8", both(data(batch_size=8), rate(0.5)), kinds=ALL),
    Change("structured, rmsprop", learner("rmsprop", learning_rate=2e-3), kinds=ALL),
)  # fmt: skip
