"""Time a training step of recurrent networks beside the peers, and check they agree.

    python experiments/speed/recurrent.py                all three
    python experiments/speed/recurrent.py lstm --rounds 20 --json

100 time steps of 64 features, 128 units, the last output, 10 classes, 32 sequences in
a batch; cross entropy, Adam, float32, one thread of one core. Each trainer gets the
same first weights and the same batches; they take turns, and the median counts.
PyTorch and JAX (`lax.scan`, LSTM alone) are timed where they are installed.
"""

from __future__ import annotations

import turns  # isort: skip

import importlib.util
from typing import Any

import numpy as np

from nettrain import nn

STEPS, FEATURES, UNITS, CLASSES = 100, 64, 128, 10
LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
ORDER = {"lstm": [0, 1, 3, 2], "gru": [0, 1, 2], "rnn": [0]}
"""Our place of each of PyTorch's gates."""

Weights = dict[str, np.ndarray]


def pytorch(kind: str, weights: Weights) -> turns.Step:
    import torch

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            made = getattr(torch.nn, kind.upper())
            self.loop = made(FEATURES, UNITS, batch_first=True)
            self.head = torch.nn.Linear(UNITS, CLASSES)

        def forward(self, x: Any) -> Any:
            return self.head(self.loop(x)[0][:, -1])

    def gates(path: str) -> Any:
        ours = weights[f"model/{kind}1/{path}"]
        parts = [ours[..., k * UNITS : (k + 1) * UNITS] for k in ORDER[kind]]
        return torch.tensor(np.ascontiguousarray(np.concatenate(parts, -1).T))

    model = Model()
    model.loop.weight_ih_l0.data = gates("weight")
    model.loop.weight_hh_l0.data = gates("recurrent")
    model.loop.bias_ih_l0.data = gates("bias")
    model.loop.bias_hh_l0.data.zero_()
    model.head.weight.data = torch.tensor(weights["model/dense1/weight"].T.copy())
    model.head.bias.data = torch.tensor(weights["model/dense1/bias"])
    if kind != "gru":  # one of two biases: both would be trained
        model.loop.bias_hh_l0.requires_grad_(False)
    return turns.pytorch(model)


def jax_lstm(weights: Weights) -> turns.Step:
    import jax
    import jax.numpy as jnp

    def logits(params: Any, x: Any) -> Any:
        weight, recurrent, bias, head, shift = params

        def step(carry: Any, given: Any) -> Any:
            h, c = carry
            z = given + h @ recurrent
            i, f, o = jnp.split(jax.nn.sigmoid(z[:, : 3 * UNITS]), 3, 1)
            c = f * c + i * jnp.tanh(z[:, 3 * UNITS :])
            return (o * jnp.tanh(c), c), None

        zero = jnp.zeros((x.shape[0], UNITS), x.dtype)
        given = jnp.swapaxes(x, 0, 1) @ weight + bias
        (h, _), _ = jax.lax.scan(step, (zero, zero), given)
        return h @ head + shift

    loop = [f"model/lstm1/{name}" for name in ("weight", "recurrent", "bias")]
    paths = [*loop, "model/dense1/weight", "model/dense1/bias"]
    return turns.jax_jit(logits, [weights[path] for path in paths])


def main() -> None:
    parser = turns.parser(__doc__ or "", batch=32)
    parser.add_argument("kinds", nargs="*", default=list(LAYERS), help="lstm gru rnn")
    given = parser.parse_args()
    turns.pin()
    results = {}
    for kind in given.kinds:
        layers = [LAYERS[kind](UNITS), nn.Dense(CLASSES)]
        steps, weights = turns.ours(layers, (STEPS, FEATURES), CLASSES, given.batch)
        if importlib.util.find_spec("torch"):
            steps["PyTorch, fused Adam"] = pytorch(kind, weights)
        if importlib.util.find_spec("jax") and kind == "lstm":
            steps["JAX, jit"] = jax_lstm(weights)
        batches = turns.noisy((STEPS, FEATURES), CLASSES, given.batch)
        results[kind] = turns.measure(steps, batches, given.rounds)
    turns.tell(results, given.json)


if __name__ == "__main__":
    main()
