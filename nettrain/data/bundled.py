"""The small data sets that come with scikit-learn, read without importing it.

Importing `sklearn.datasets` takes over a second, reading its files thirty milliseconds.
Where the files do not lie where they are expected, scikit-learn's own loaders are
asked.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from nettrain.component import register
from nettrain.data.sources import Loaded, Placer, Source, nowhere
from nettrain.data.table import Table

_IRIS = (
    "sepal length (cm)",
    "sepal width (cm)",
    "petal length (cm)",
    "petal width (cm)",
)
_WINE = (
    "alcohol",
    "malic_acid",
    "ash",
    "alcalinity_of_ash",
    "magnesium",
    "total_phenols",
    "flavanoids",
    "nonflavanoid_phenols",
    "proanthocyanins",
    "color_intensity",
    "hue",
    "od280/od315_of_diluted_wines",
    "proline",
)
_DIABETES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
_CELL = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)
_BREAST_CANCER = (
    *(f"mean {name}" for name in _CELL),
    *(f"{name} error" for name in _CELL),
    *(f"worst {name}" for name in _CELL),
)
_DIGITS = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))


def _file(name: str) -> Path | None:
    """A data file inside the installed scikit-learn, or None."""
    spec = find_spec("sklearn")
    folders = (spec.submodule_search_locations if spec else None) or []
    paths = [Path(folder) / "datasets" / "data" / name for folder in folders]
    return next((path for path in paths if path.is_file()), None)


def _arrays(file: str, loader: str, skip: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (n, F) and targets (n,) of a file whose last column is the target."""
    path = _file(file)
    if path is None:
        from sklearn import datasets

        x, y = getattr(datasets, loader)(return_X_y=True)
        return x, y
    rows = np.loadtxt(path, delimiter=",", skiprows=skip)
    return rows[:, :-1], rows[:, -1]


def _classes(
    label: str, names: tuple[str, ...], x: np.ndarray, y: np.ndarray, *classes: str
) -> Loaded:
    """A classification whose target column names the classes, if they have names."""
    target = [classes[int(i)] for i in y] if classes else y.astype(np.float64)
    table = Table((*names, "target"), [*x.T, target], label)
    return Loaded({"train": table}, ("target",), "classification")


@register("digits")
class Digits(Source):
    """1797 images of handwritten digits, 8 × 8 pixels from 0 to 16 (Alpaydin, 1998)."""

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        x, y = _arrays("digits.csv.gz", "load_digits", skip=0)
        return _classes("digits", _DIGITS, x, y)


@register("iris")
class Iris(Source):
    """150 flowers of three species by four lengths (Fisher, 1936)."""

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        x, y = _arrays("iris.csv", "load_iris")
        return _classes("iris", _IRIS, x, y, "setosa", "versicolor", "virginica")


@register("wine")
class Wine(Source):
    """178 wines of three cultivars by thirteen measurements (Forina, 1991)."""

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        x, y = _arrays("wine_data.csv", "load_wine")
        return _classes("wine", _WINE, x, y, "class_0", "class_1", "class_2")


@register("breast_cancer")
class BreastCancer(Source):
    """569 tumours, benign or malignant, by 30 features of cells (Wolberg, 1995)."""

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        x, y = _arrays("breast_cancer.csv", "load_breast_cancer")
        return _classes("breast_cancer", _BREAST_CANCER, x, y, "malignant", "benign")


@register("diabetes")
class Diabetes(Source):
    """442 patients by ten measurements; progression after a year (Efron et al., 2004).

    The values are the raw ones. scikit-learn's default gives them standardized over all
    rows, those of the test part included.
    """

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        rows, progression = (
            _file("diabetes_data_raw.csv.gz"),
            _file("diabetes_target.csv.gz"),
        )
        if rows and progression:
            x, y = np.loadtxt(rows), np.loadtxt(progression)
        else:
            from sklearn.datasets import load_diabetes

            x, y = load_diabetes(return_X_y=True, scaled=False)
        table = Table((*_DIABETES, "target"), [*x.T, y], "diabetes")
        return Loaded({"train": table}, ("target",), "regression")
