"""Every optimizer and schedule that PyTorch has does what PyTorch's does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from nettrain import optim
from nettrain.component import registered
from nettrain.execute import Definition, executor
from nettrain.graph import leaf, parameter

SHAPES = {"dense1/weight": (4, 6), "dense1/bias": (6,), "dense2/weight": (6, 2)}
STEPS = 40
ELSEWHERE = {"ema", "lamb", "lion", "lookahead"}
"""Which PyTorch has not, or in another form; tests/optim has their formulas."""

DECAY = {"weight_decay": 0.1}
OPTIMIZERS: list[tuple[optim.Optimizer, str, dict[str, Any]]] = [
    (optim.SGD(0.01), "SGD", {"lr": 0.01}),
    (
        optim.SGD(0.01, momentum=0.8, nesterov=True, **DECAY), "SGD",
        {"lr": 0.01, "momentum": 0.8, "nesterov": True, **DECAY},
    ),
    (optim.RMSprop(), "RMSprop", {}),
    (optim.RMSprop(momentum=0.5, **DECAY), "RMSprop", {"momentum": 0.5, **DECAY}),
    (optim.Adam(), "Adam", {}),
    (optim.Adam(amsgrad=True), "Adam", {"amsgrad": True}),
    (
        optim.Adam(0.01, 0.8, 0.7, 1e-3, amsgrad=True, maximize=True, **DECAY), "Adam",
        {"lr": 0.01, "betas": (0.8, 0.7), "eps": 1e-3, "amsgrad": True,
         "maximize": True, **DECAY},
    ),
    (optim.AdamW(), "AdamW", {}),
    (
        optim.AdamW(0.01, 0.8, 0.7, amsgrad=True, **DECAY), "AdamW",
        {"lr": 0.01, "betas": (0.8, 0.7), "amsgrad": True, **DECAY},
    ),
    (optim.Adagrad(), "Adagrad", {}),
    (
        optim.Adagrad(0.1, 0.03, 0.1, 0.2, 1e-3), "Adagrad",
        {"lr": 0.1, "lr_decay": 0.03, "initial_accumulator_value": 0.2, "eps": 1e-3,
         **DECAY},
    ),
    (optim.Adadelta(), "Adadelta", {}),
    (
        optim.Adadelta(0.5, 0.8, 1e-3, maximize=True, **DECAY), "Adadelta",
        {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "maximize": True, **DECAY},
    ),
    (optim.Adamax(), "Adamax", {}),
    (
        optim.Adamax(0.01, 0.8, 0.7, 1e-3, **DECAY), "Adamax",
        {"lr": 0.01, "betas": (0.8, 0.7), "eps": 1e-3, **DECAY},
    ),
    (optim.NAdam(), "NAdam", {}),
    (
        optim.NAdam(0.01, 0.8, 0.7, 1e-3, momentum_decay=0.1, **DECAY), "NAdam",
        {"lr": 0.01, "betas": (0.8, 0.7), "eps": 1e-3, "momentum_decay": 0.1, **DECAY},
    ),
    (
        optim.NAdam(decoupled_weight_decay=True, **DECAY), "NAdam",
        {"decoupled_weight_decay": True, **DECAY},
    ),
    (optim.RAdam(), "RAdam", {}),
    (
        optim.RAdam(0.01, 0.8, 0.9, 1e-3, **DECAY), "RAdam",
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, **DECAY},
    ),
    (optim.RAdam(beta2=0.6), "RAdam", {"betas": (0.9, 0.6)}),  # it never adapts
    (
        optim.RAdam(decoupled_weight_decay=True, maximize=True, **DECAY), "RAdam",
        {"decoupled_weight_decay": True, "maximize": True, **DECAY},
    ),
]  # fmt: skip
MUONS: list[tuple[optim.Muon, dict[str, Any]]] = [
    (optim.Muon(), {}),
    (
        optim.Muon(0.02, 0.8, nesterov=False, weight_decay=0.3, scale="adamw", steps=3),
        {"lr": 0.02, "momentum": 0.8, "nesterov": False, "weight_decay": 0.3,
         "adjust_lr_fn": "match_rms_adamw", "ns_steps": 3},
    ),
]  # fmt: skip


def gradients(dtype: str = "float64") -> Iterator[dict[str, np.ndarray]]:
    """The same in every test; their sizes grow and shrink, some are 0."""
    rng = np.random.default_rng(3)
    for i in range(STEPS):
        size = np.exp(3 * np.sin(i / 3))
        yield {
            path: (size * rng.normal(size=shape) * (rng.random(shape) < 0.8)).astype(
                dtype
            )
            for path, shape in SHAPES.items()
        }


def start(dtype: str = "float64") -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    return {path: rng.normal(size=s).astype(dtype) for path, s in SHAPES.items()}


def ours(optimizer: optim.Optimizer, name: str, dtype: str = "float64") -> Any:
    """The weights after every step, and the state at the end."""
    weights = {path: parameter(path, array) for path, array in start(dtype).items()}
    slopes = {path: leaf("input", f"g/{path}", s, dtype) for path, s in SHAPES.items()}
    rate, step = (leaf("input", n, (), "float64") for n in ("rate", "step"))
    found = {node: slopes[path] for path, node in weights.items()}
    made = optim.optimize(optimizer, found, rate, step)
    definition = Definition({}, made.updates)
    run = executor(name)
    state = run.allocate(definition, {})
    program = run.program(definition, state)
    after = []
    for i, given in enumerate(gradients(dtype), 1):
        at = optimizer.schedule.rate(i, STEPS, STEPS)
        feed = {slopes[path]: array for path, array in given.items()}
        program({**feed, rate: np.asarray(at), step: np.asarray(float(i))})
        after.append({path: state[path].copy() for path in SHAPES})
    return after, state, made


def theirs(
    torch: Any, make: Any, paths: Any = tuple(SHAPES)
) -> Iterator[dict[str, np.ndarray]]:
    """The weights after every step; matrices (outputs, inputs) inside."""
    weights = {p: torch.tensor(start()[p].T.copy(), requires_grad=True) for p in paths}
    optimizer = make(weights)
    for given in gradients():
        for path, weight in weights.items():
            weight.grad = torch.tensor(given[path].T.copy())
        optimizer.step()
        yield {path: w.detach().numpy().T.copy() for path, w in weights.items()}


@pytest.fixture
def double(torch: Any) -> Iterator[None]:
    """Its numbers beside the weights (nadam's product) in float64 too."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_all_optimizers_are_compared() -> None:
    compared = {optimizer.registered_name for optimizer, *_ in OPTIMIZERS} | {"muon"}
    known = registered(optim.Optimizer).items()
    own = {name for name, cls in known if cls.__module__.startswith("nettrain.")}
    assert compared | ELSEWHERE == own


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("optimizer", "torchs", "settings"),
    OPTIMIZERS,
    ids=lambda x: getattr(x, "registered_name", ""),
)
def test_optimizer(
    torch: Any, optimizer: optim.Optimizer, torchs: str, settings: dict[str, Any]
) -> None:
    kind = getattr(torch.optim, torchs)
    expected = list(theirs(torch, lambda w: kind(list(w.values()), **settings)))
    for name in ("reference", "numpy"):
        after, _, _ = ours(optimizer, name)
        for mine, other in zip(after, expected, strict=True):
            for path, array in mine.items():
                np.testing.assert_allclose(array, other[path], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["reference", "numpy"])
@pytest.mark.parametrize(("optimizer", "settings"), MUONS)
def test_muon(
    torch: Any,
    monkeypatch: Any,
    optimizer: optim.Muon,
    settings: dict[str, Any],
    name: str,
) -> None:
    """In float64, where PyTorch rounds to bfloat16; vectors as its adamw does."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    after, _, _ = ours(optimizer, name)
    matrices = [path for path in SHAPES if path.endswith("weight")]

    def muon(weights: Any) -> Any:
        return torch.optim.Muon(list(weights.values()), **settings)

    def adamw(weights: Any) -> Any:
        decay, rate = optimizer.weight_decay, optimizer.learning_rate
        return torch.optim.AdamW(list(weights.values()), lr=rate, weight_decay=decay)

    both = (theirs(torch, muon, matrices), theirs(torch, adamw, ["dense1/bias"]))
    for mine, *others in zip(after, *both, strict=True):
        for path, array in {**others[0], **others[1]}.items():
            np.testing.assert_allclose(mine[path], array, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    "optimizer",
    [
        optim.Lion(0.01, weight_decay=0.1),
        optim.LAMB(0.01),
        optim.Lookahead(),
        optim.Muon(),
        optim.ExponentialAverage(optim.NAdam()),
    ],
    ids=lambda x: type(x).__name__,
)
def test_executors_agree(optimizer: optim.Optimizer) -> None:
    """Also where a rule is not elementwise, so that updates cannot be joined."""
    (one, first, _), (two, second, _) = (
        ours(optimizer, name, "float32") for name in ("reference", "numpy")
    )
    assert set(first) == set(second)
    for path, array in first.items():
        np.testing.assert_allclose(second[path], array, rtol=2e-4, atol=1e-5)
    for mine, other in zip(one, two, strict=True):
        for path, array in mine.items():
            np.testing.assert_allclose(other[path], array, rtol=2e-4, atol=1e-5)


def test_groups(torch: Any) -> None:
    groups = [
        {"match": "*/bias", "weight_decay": 0.0},
        {"match": "dense1/*", "rate": 0.1},
    ]
    after, _, _ = ours(optim.AdamW(0.01, weight_decay=0.1, groups=groups), "numpy")

    def make(w: Any) -> Any:
        settings = [
            {"params": [w["dense1/weight"]], "lr": 0.001, "weight_decay": 0.1},
            {"params": [w["dense1/bias"]], "lr": 0.001, "weight_decay": 0.0},
            {"params": [w["dense2/weight"]], "lr": 0.01, "weight_decay": 0.1},
        ]
        return torch.optim.AdamW(settings)

    for mine, other in zip(after, theirs(torch, make), strict=True):
        for path, array in mine.items():
            np.testing.assert_allclose(array, other[path], rtol=1e-10, atol=1e-12)


def test_average(torch: Any) -> None:
    """With the shares of a mean without bias instead of PyTorch's constant one."""
    inner, decay = optim.SGD(0.05, momentum=0.9), 0.8
    _, state, made = ours(optim.ExponentialAverage(inner, decay), "numpy")
    average = None
    settings = {"lr": 0.05, "momentum": 0.9}
    model = torch.nn.ParameterDict()
    for i, weights in enumerate(
        theirs(torch, lambda w: torch.optim.SGD(list(w.values()), **settings)), 1
    ):
        for path, array in weights.items():
            model[path.replace("/", "_")] = torch.nn.Parameter(torch.tensor(array))
        if average is None:
            average = torch.optim.swa_utils.AveragedModel(
                model,
                avg_fn=lambda a, w, n: (
                    a + (w - a) * (1 - decay) / (1 - decay ** (n.item() + 1))
                ),
            )
        average.update_parameters(model)
        assert average.n_averaged == i
    for path, lag in made.lags.items():
        mean = average.module[path.replace("/", "_")].detach().numpy()
        np.testing.assert_allclose(state[path] + state[lag.path], mean, rtol=1e-10)


SCHEDULES: list[tuple[optim.Schedule, str, dict[str, Any]]] = [
    (optim.OneCycle(1.0), "OneCycleLR", {"max_lr": 1.0}),
    (
        optim.OneCycle(0.5, 0.43, "linear", 10.0, 50.0), "OneCycleLR",
        {"max_lr": 0.5, "pct_start": 0.43, "anneal_strategy": "linear",
         "div_factor": 10.0, "final_div_factor": 50.0},
    ),
    (
        optim.OneCycle(1.0, three_phases=True), "OneCycleLR",
        {"max_lr": 1.0, "three_phase": True},
    ),
    (
        optim.Cyclic(1.0, 0.1, up=4), "CyclicLR",
        {"max_lr": 1.0, "base_lr": 0.1, "step_size_up": 4},
    ),
    (
        optim.Cyclic(1.0, 0.1, up=4, down=3, mode="triangular2"), "CyclicLR",
        {"max_lr": 1.0, "base_lr": 0.1, "step_size_up": 4, "step_size_down": 3,
         "mode": "triangular2"},
    ),
    (
        optim.Cyclic(1.0, 0.1, up=2, down=5, mode="exponential", gamma=0.9), "CyclicLR",
        {"max_lr": 1.0, "base_lr": 0.1, "step_size_up": 2, "step_size_down": 5,
         "mode": "exp_range", "gamma": 0.9},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "name", "settings"), SCHEDULES)
@pytest.mark.parametrize("total", [20, 57])
def test_schedule(
    torch: Any,
    schedule: optim.Schedule,
    name: str,
    settings: dict[str, Any],
    total: int,
) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    if name == "OneCycleLR":
        settings = {**settings, "total_steps": total}
    kind = getattr(torch.optim.lr_scheduler, name)
    scheduler = kind(optimizer, **settings, cycle_momentum=False)
    for step in range(1, total + 1):
        rate = optimizer.param_groups[0]["lr"]
        assert schedule.rate(step, total, 5) == pytest.approx(rate, rel=1e-9)
        optimizer.step()
        if step < total:
            scheduler.step()
