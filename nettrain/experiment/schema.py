"""The config: one YAML file is one experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from nettrain.component import Range
from nettrain.config import is_path
from nettrain.config.tree import Tree
from nettrain.data import DataConfig
from nettrain.diagnose import DiagnoseConfig
from nettrain.errors import Error
from nettrain.nn import Layer, Loss
from nettrain.optim import Optimizer
from nettrain.optim.adaptive import Adam
from nettrain.record.folder import NAME, check_name
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

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{NAME.pattern}$"}


class Trained(str):
    """Where the weights of another run are."""

    wanted = "the folder of a run, or a checkpoint of one"

    @classmethod
    def from_config(cls, value: object) -> str:
        if is_trained(value):
            return str(value)
        raise ValueError(f"expected {cls.wanted}")


def is_trained(value: object) -> bool:
    """Whether a run can be called so."""
    return isinstance(value, str) and bool(value) and is_path(value)


@dataclass(frozen=True, kw_only=True)
class Tuned(Sequence[Layer]):
    """Layers that begin with the weights of another run: fine-tuning.

    Weights and running averages whose name and shape are those of the run begin as the
    run predicts with them; the run that begins says which do, and which begin as usual.
    The optimizer begins as usual, and so does preprocessing: it is fitted to the data
    of this config.

    Attributes:
        from: the folder of a run, or a checkpoint file of one.
        freeze: names of layers that are not trained, such as `dense1` or
            `residual1/dense1`; `*` stands for any text, slashes included: `conv2d*`. A
            layer is frozen with those inside it; weights that layers share are those
            of the first one. A frozen batch_norm acts as it
            predicts, with running averages that stay: as in Keras, and as in PyTorch
            after `eval()`. A frozen dropout still drops.
        layers: the model's; those of the run, if left out.
        digest: SHA-256 of the run's weights: others are refused. The resolved config
            has it.
    """

    wanted = "a mapping with `from`"

    from_: Trained
    freeze: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    digest: str = ""

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: Any) -> Any:
        return self.layers[index]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One experiment, from its data to its pictures.

    Attributes:
        format: the version of this schema.
        name: of the run; its folder is `runs/NAME/NUMBER`.
        seed: everything random comes from it.
        data: the data and how they are prepared.
        model: the layers, in a row; or a mapping, `from` another run.
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
    model: tuple[Layer, ...] | Tuned
    loss: Loss
    metrics: tuple[Metric, ...] = ()
    optimizer: Optimizer = field(default_factory=Adam)
    train: TrainConfig = field(default_factory=TrainConfig)
    diagnose: bool | DiagnoseConfig = True
    executor: Literal["auto", "reference", "numpy"] = "auto"
    threads: Annotated[int, Range(at_least=1, at_most=1024)] = 1
    dtype: Literal["float32", "float64"] = "float32"

    @staticmethod
    def completed(tree: Tree, path: str = "") -> Tree:
        """A config with the layers of the run that it begins from, if it has none."""
        from nettrain.experiment.tuning import completed  # which reads configs itself

        return completed(tree, path)
