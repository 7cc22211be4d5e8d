"""Updates of several batches do what PyTorch's usual loop does."""

from __future__ import annotations

from typing import Any

import numpy as np

from nettrain import nn, optim
from nettrain.execute import executor
from nettrain.training.network import Network
from nettrain.training.programs import Recipe

B, K, ROWS = 4, 3, 10
"""The last batch is a smaller one."""


def test_losses_weighed_by_their_rows_and_gradients_added_up(torch: Any) -> None:
    recipe = Recipe(
        nn.Sequential([nn.Dense(6, activation="tanh"), nn.Dense(2)]),
        nn.MeanSquaredError(),
        optim.Adam(0.01),
        inputs=(4,),
        targets=(2,),
        targets_dtype="float64",
        outputs=2,
        dtype="float64",
        clip_norm=0.5,
        accumulate=K,
    )
    ours = Network(recipe, executor(), B)
    layers = [torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 2)]
    theirs = torch.nn.Sequential(*layers).double()
    paths = [f"model/dense{i}/{name}" for i in (1, 2) for name in ("weight", "bias")]
    with torch.no_grad():
        for path, tensor in zip(paths, theirs.parameters(), strict=True):
            tensor.copy_(torch.tensor(ours.state[path].T.copy()))
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.01)
    rng = np.random.default_rng(0)
    for step in range(1, 41):
        x, t = rng.normal(size=(ROWS, 4)), rng.normal(size=(ROWS, 2))
        made = ours.train(x, t, 0.01, step, full=step % 7 == 0)
        total = 0.0
        for i in range(0, ROWS, B):
            outputs = theirs(torch.tensor(x[i : i + B]))
            loss = torch.nn.functional.mse_loss(outputs, torch.tensor(t[i : i + B]))
            loss = loss * (len(outputs) / ROWS)
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        optimizer.step()
        optimizer.zero_grad()
        np.testing.assert_allclose(made.outputs["loss"], total, 1e-11)
    for path, tensor in zip(paths, theirs.parameters(), strict=True):
        expected = tensor.detach().numpy().T
        np.testing.assert_allclose(ours.state[path], expected, 1e-10, 1e-12)
