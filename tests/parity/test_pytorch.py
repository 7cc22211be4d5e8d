"""Every layer, activation, loss and optimizer does what PyTorch's does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nettrain import nn, optim

N = 8
Batch = Callable[[np.random.Generator], np.ndarray]


def normal(*shape: int) -> Batch:
    return lambda rng: rng.normal(size=shape)


def labels(count: int = 3) -> Batch:
    return lambda rng: rng.integers(0, count, N)


def shares(rng: np.random.Generator) -> np.ndarray:
    return rng.dirichlet(np.ones(3), N)


# PyTorch's own hard_sigmoid and hard_swish hold 1/6 as a float32 even in float64, so
# these two are compared with the formula in its operations.
HARD_SIGMOID = "Formula(lambda z: functional.relu6(z + 3) / 6)"
HARD_SWISH = "Formula(lambda z: z * functional.relu6(z + 3) / 6)"

ACTIVATIONS = {
    "linear": "Identity()",
    "relu": "ReLU()",
    "leaky_relu": "LeakyReLU()",
    "prelu": "PReLU()",
    "elu": "ELU()",
    "selu": "SELU()",
    "gelu": "GELU()",
    "silu": "SiLU()",
    "mish": "Mish()",
    "softplus": "Softplus()",
    "relu6": "ReLU6()",
    "hard_tanh": "Hardtanh()",
    "hard_sigmoid": HARD_SIGMOID,
    "hard_swish": HARD_SWISH,
    "tanh": "Tanh()",
    "sigmoid": "Sigmoid()",
    "softmax": "Softmax(-1)",
    "log_softmax": "LogSoftmax(-1)",
}
SETTINGS = [
    (nn.LeakyReLU(0.3), "LeakyReLU(0.3)"),
    (nn.PReLU(0.1), "PReLU(init=0.1)"),
    (nn.ELU(0.5), "ELU(0.5)"),
    (nn.GELU("tanh"), "GELU('tanh')"),
]


def build(torch: Any, *modules: str) -> Callable[[], Any]:
    """A PyTorch model from text, such as `Linear(4, 6)`."""

    class Formula(torch.nn.Module):
        def __init__(self, formula: Callable[[Any], Any]) -> None:
            super().__init__()
            self.formula = formula

        def forward(self, z: Any) -> Any:
            return self.formula(z)

    names = {**vars(torch.nn), "Formula": Formula}
    return lambda: torch.nn.Sequential(*[eval(m, names) for m in modules])


@pytest.mark.parametrize(
    ("activation", "theirs"),
    [*ACTIVATIONS.items(), *SETTINGS],
    ids=lambda x: str(x),
)
def test_activation(torch: Any, twins: Any, activation: Any, theirs: str) -> None:
    twins(
        [nn.Dense(6, activation=activation), nn.Dense(2)],
        build(torch, "Linear(4, 6)", theirs, "Linear(6, 2)"),
        inputs=lambda rng: 3 * rng.normal(size=(N, 4)),  # reaches the bends
        targets=normal(N, 2),
    ).check()


def test_all_activations_are_compared() -> None:
    from nettrain.component import registered

    assert set(ACTIVATIONS) == set(registered(nn.Activation))


def test_dropout(torch: Any, twins: Any) -> None:
    twins(
        [nn.Dense(6), nn.Dropout(0.4), nn.Tanh(), nn.Dropout(0.1), nn.Dense(2)],
        build(
            torch,
            "Linear(4, 6)",
            "Dropout(.4)",
            "Tanh()",
            "Dropout(.1)",
            "Linear(6, 2)",
        ),
        inputs=normal(N, 4),
        targets=normal(N, 2),
    ).check()


def test_flatten(torch: Any, twins: Any) -> None:
    twins(
        [nn.Flatten(), nn.Dense(2)],
        build(torch, "Flatten()", "Linear(24, 2)"),
        inputs=normal(N, 2, 3, 4),
        targets=normal(N, 2),
    ).check()


def running(layer: str, index: int) -> dict[str, str]:
    return {
        f"model/{layer}/running_mean": f"{index}.running_mean",
        f"model/{layer}/running_variance": f"{index}.running_var",
    }


def test_batch_norm_of_features(torch: Any, twins: Any) -> None:
    norm = nn.BatchNorm(momentum=0.3, epsilon=1e-3)
    twins(
        # No bias: its gradient behind a batch_norm is 0, and rounding alone shows.
        [nn.Dense(6, bias=False), norm, nn.ReLU(), nn.Dense(2)],
        build(
            torch,
            "Linear(4, 6, bias=False)",
            "BatchNorm1d(6, eps=1e-3, momentum=.3)",
            "ReLU()",
            "Linear(6, 2)",
        ),
        inputs=normal(N, 4),
        targets=normal(N, 2),
        buffers=running("batch_norm1", 1),
    ).check()


def test_batch_norm_of_channels(torch: Any, twins: Any) -> None:
    twins(
        [nn.BatchNorm(), nn.Flatten(), nn.Dense(2)],
        build(torch, "BatchNorm2d(3)", "Flatten()", "Linear(12, 2)"),
        inputs=lambda rng: 3 + rng.normal(size=(N, 3, 2, 2)),
        targets=normal(N, 2),
        buffers=running("batch_norm1", 0),
    ).check()


def test_layer_norm(torch: Any, twins: Any) -> None:
    twins(
        [nn.Dense(6), nn.LayerNorm(epsilon=1e-3), nn.Tanh(), nn.Dense(2)],
        build(torch, "Linear(4, 6)", "LayerNorm(6, 1e-3)", "Tanh()", "Linear(6, 2)"),
        inputs=normal(N, 4),
        targets=normal(N, 2),
    ).check()


def test_residual_and_repeat(torch: Any, twins: Any) -> None:
    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(5, 5)

        def forward(self, x: Any) -> Any:
            return x + torch.tanh(self.inner(x))

    def module() -> Any:
        return torch.nn.Sequential(Block(), Block(), torch.nn.Linear(5, 2))

    block = nn.Residual([nn.Dense(5, activation="tanh")])
    twins(
        [nn.Repeat(2, [block]), nn.Dense(2)],
        module,
        inputs=normal(N, 5),
        targets=normal(N, 2),
    ).check()


def test_layer_applied_twice(torch: Any, twins: Any) -> None:
    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shared = torch.nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            return torch.tanh(self.shared(torch.tanh(self.shared(x))))

    shared = nn.Dense(4, activation="tanh")
    twins(
        [shared, shared],
        Twice,
        inputs=normal(N, 4),
        targets=normal(N, 4),
    ).check()


LOSSES: list[tuple[nn.Loss, str, dict[str, Any], Batch, int]] = [
    (nn.CrossEntropy(), "cross_entropy", {}, labels(), 3),
    (
        nn.CrossEntropy(label_smoothing=0.2),
        "cross_entropy",
        {"label_smoothing": 0.2},
        labels(),
        3,
    ),
    (
        nn.CrossEntropy(class_weights=[1.0, 0.5, 3.0]),
        "cross_entropy",
        {"weight": [1.0, 0.5, 3.0]},
        labels(),
        3,
    ),
    (
        nn.CrossEntropy(label_smoothing=0.1, class_weights=[1.0, 0.5, 3.0]),
        "cross_entropy",
        {"label_smoothing": 0.1, "weight": [1.0, 0.5, 3.0]},
        labels(),
        3,
    ),
    (nn.CrossEntropy(), "cross_entropy", {}, shares, 3),
    (
        nn.CrossEntropy(label_smoothing=0.1, class_weights=[1.0, 0.5, 3.0]),
        "cross_entropy",
        {"label_smoothing": 0.1, "weight": [1.0, 0.5, 3.0]},
        shares,
        3,
    ),
    (
        nn.BinaryCrossEntropy(),
        "binary_cross_entropy_with_logits",
        {},
        lambda rng: rng.integers(0, 2, (N, 1)).astype(float),
        1,
    ),
    (nn.MeanSquaredError(), "mse_loss", {}, normal(N, 2), 2),
    (nn.MeanAbsoluteError(), "l1_loss", {}, normal(N, 2), 2),
    (nn.Huber(), "huber_loss", {}, normal(N, 2), 2),
    (nn.Huber(0.3), "huber_loss", {"delta": 0.3}, normal(N, 2), 2),
]


@pytest.mark.parametrize(("loss", "name", "settings", "targets", "outputs"), LOSSES)
def test_loss(
    torch: Any,
    twins: Any,
    loss: nn.Loss,
    name: str,
    settings: dict[str, Any],
    targets: Batch,
    outputs: int,
) -> None:
    def torch_loss(z: Any, t: Any) -> Any:
        given = {
            key: torch.tensor(value, dtype=z.dtype) if key == "weight" else value
            for key, value in settings.items()
        }
        return getattr(torch.nn.functional, name)(z, t, **given)

    twins(
        [nn.Dense(5, activation="tanh"), nn.Dense(outputs)],
        build(torch, "Linear(4, 5)", "Tanh()", f"Linear(5, {outputs})"),
        inputs=normal(N, 4),
        targets=targets,
        loss=loss,
        torch_loss=torch_loss,
    ).check()


OPTIMIZERS: list[tuple[optim.Optimizer, str, dict[str, Any]]] = [
    (optim.SGD(0.05), "SGD", {"lr": 0.05}),
    (
        optim.SGD(0.05, momentum=0.9, weight_decay=0.1),
        "SGD",
        {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1},
    ),
    (
        optim.SGD(0.05, momentum=0.9, nesterov=True),
        "SGD",
        {"lr": 0.05, "momentum": 0.9, "nesterov": True},
    ),
    (
        optim.SGD(1e-4, weight_decay=0.1, maximize=True),
        "SGD",
        {"lr": 1e-4, "weight_decay": 0.1, "maximize": True},
    ),
    (optim.RMSprop(), "RMSprop", {}),
    (
        optim.RMSprop(0.003, beta=0.9, epsilon=1e-3, momentum=0.5, weight_decay=0.1),
        "RMSprop",
        {"lr": 0.003, "alpha": 0.9, "eps": 1e-3, "momentum": 0.5, "weight_decay": 0.1},
    ),
    (optim.Adam(), "Adam", {}),
    (
        optim.Adam(0.01, beta1=0.8, beta2=0.95, epsilon=1e-3, weight_decay=0.1),
        "Adam",
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1},
    ),
    (optim.AdamW(0.01), "AdamW", {"lr": 0.01}),
    (
        optim.AdamW(0.01, epsilon=1e-3, weight_decay=0.3),
        "AdamW",
        {"lr": 0.01, "eps": 1e-3, "weight_decay": 0.3},
    ),
]


@pytest.mark.parametrize(("optimizer", "name", "settings"), OPTIMIZERS)
def test_optimizer(
    torch: Any,
    twins: Any,
    optimizer: optim.Optimizer,
    name: str,
    settings: dict[str, Any],
) -> None:
    twins(
        [nn.Dense(6, activation="tanh"), nn.Dense(2)],
        build(torch, "Linear(4, 6)", "Tanh()", "Linear(6, 2)"),
        inputs=normal(N, 4),
        targets=normal(N, 2),
        optimizer=optimizer,
        torch_optimizer=lambda weights: getattr(torch.optim, name)(weights, **settings),
    ).check()


@pytest.mark.parametrize("limit", [0.01, 100.0])
def test_clipping_by_norm(torch: Any, twins: Any, limit: float) -> None:
    clip = torch.nn.utils.clip_grad_norm_
    twins(
        [nn.Dense(6, activation="tanh"), nn.Dense(2)],
        build(torch, "Linear(4, 6)", "Tanh()", "Linear(6, 2)"),
        inputs=normal(N, 4),
        targets=normal(N, 2),
        clip=lambda gradients: optim.clip_norm(gradients, limit),
        torch_clip=lambda weights: clip(weights, limit),
    ).check()


def test_clipping_by_value(torch: Any, twins: Any) -> None:
    clip = torch.nn.utils.clip_grad_value_
    twins(
        [nn.Dense(6, activation="tanh"), nn.Dense(2)],
        build(torch, "Linear(4, 6)", "Tanh()", "Linear(6, 2)"),
        inputs=normal(N, 4),
        targets=normal(N, 2),
        clip=lambda gradients: optim.clip_value(gradients, 0.05),
        torch_clip=lambda weights: clip(weights, 0.05),
    ).check()


SCHEDULES: list[tuple[optim.Schedule, str, dict[str, Any]]] = [
    (optim.Step(1.0, "3 steps", 0.5), "StepLR", {"step_size": 3, "gamma": 0.5}),
    (optim.Exponential(1.0, 0.9, "1 step"), "ExponentialLR", {"gamma": 0.9}),
    (optim.Cosine(1.0, final=0.1), "CosineAnnealingLR", {"T_max": 20, "eta_min": 0.1}),
]


@pytest.mark.parametrize(("schedule", "name", "settings"), SCHEDULES)
def test_schedule(
    torch: Any, schedule: optim.Schedule, name: str, settings: dict[str, Any]
) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = getattr(torch.optim.lr_scheduler, name)(optimizer, **settings)
    for step in range(1, 21):
        rate = optimizer.param_groups[0]["lr"]
        assert schedule.rate(step, 20, 5) == pytest.approx(rate)
        optimizer.step()
        theirs.step()


def test_plateau(torch: Any) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=2, threshold=0.05, min_lr=0.1
    )
    ours = optim.Plateau(1.0, factor=0.5, patience=2, threshold=0.05, final=0.1)
    memory = ours.start()
    losses = np.random.default_rng(0).exponential(size=60) + np.linspace(2, 0, 60)
    rates = set()
    for loss in losses:
        memory = ours.observe(memory, float(loss))
        theirs.step(float(loss))
        rates.add(ours.rate(1, 60, 1, memory))
        assert ours.rate(1, 60, 1, memory) == optimizer.param_groups[0]["lr"]
    assert len(rates) > 3
