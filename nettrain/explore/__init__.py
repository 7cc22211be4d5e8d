"""Ask any node: its value, its gradient, the way both came about, and a picture."""

from nettrain.explore.differences import check_gradients
from nettrain.explore.evaluation import Evaluation, evaluate, evaluate_network
from nettrain.explore.expression import expression, read_values
from nettrain.explore.program import compile

__all__ = [
    "Evaluation",
    "check_gradients",
    "compile",
    "evaluate",
    "evaluate_network",
    "expression",
    "read_values",
]
