"""The config: one YAML file is one experiment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from nettrain.component import Range
from nettrain.data import DataConfig
from nettrain.diagnose import DiagnoseConfig
from nettrain.errors import Error
from nettrain.nn import Layer, Loss
from nettrain.optim import Optimizer
from nettrain.optim.adaptive import Adam
from nettrain.record.folder import check_name
from nettrain.training.metrics import Metric
from nettrain.training.settings import TrainConfig

FORMAT = 1


class Name(str):
    """The name of a run, which is also that of its folder."""

    wanted = "a name of letters, digits, dots, dashes and underscores"

    @classmethod
    def from_config(cls, value: object) -> str:
        try:
            return check_name(value) if isinstance(value, str) else check_name("")
        except Error:
            raise ValueError(f"expected {cls.wanted}, at most 100 of them") from None


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One experiment, from its data to its pictures.

    Attributes:
        format: the version of this schema.
        name: of the run; its folder is `runs/NAME/NUMBER`.
        seed: everything random comes from it.
        data: the data and how they are prepared.
        model: the layers, in a row.
        loss: what training lowers; it decides the task.
        metrics: what is computed beside the loss, for people.
        optimizer: from gradients to new weights.
        train: how long, when to stop, what to save.
        diagnose: whether to watch values and gradients and say what is wrong; a mapping
            changes thresholds or silences findings.
        executor: what computes; `auto` is the fastest there is.
        threads: of the linear algebra. Results depend on it.
        dtype: of weights and inputs.
    """

    format: Literal[1] = FORMAT
    name: Name = "run"  # type: ignore[assignment]
    seed: Annotated[int, Range(at_least=0, at_most=2**63 - 1)] = 0
    data: DataConfig
    model: tuple[Layer, ...]
    loss: Loss
    metrics: tuple[Metric, ...] = ()
    optimizer: Optimizer = field(default_factory=Adam)
    train: TrainConfig = field(default_factory=TrainConfig)
    diagnose: bool | DiagnoseConfig = True
    executor: Literal["auto", "reference", "numpy"] = "auto"
    threads: Annotated[int, Range(at_least=1, at_most=1024)] = 1
    dtype: Literal["float32", "float64"] = "float32"
