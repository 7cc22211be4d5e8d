"""Fine-tuning: a model that begins with the weights of another run.

The resolved config pins what a run began with by a digest, and the run keeps a copy, so
that it can be resumed, drawn and repeated without the run that it came from.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.component import dump, listed, show, suggest
from nettrain.config import Resolved
from nettrain.config.tree import Origin, Tree, from_plain
from nettrain.data.schema import Class
from nettrain.disk import Disk
from nettrain.errors import Error, Place, raise_all
from nettrain.experiment.load import load_run, read_preparation, weights
from nettrain.experiment.schema import Trained, Tuned, is_trained
from nettrain.graph import Node
from nettrain.nn import Trace, walk
from nettrain.nn.trace import Beginning
from nettrain.record.append import EMPTY
from nettrain.record.checkpoint import CheckpointMeta, decode, encode
from nettrain.record.folder import FIRST, RUN, RunFolder
from nettrain.training.programs import Recipe

RESOLVED = "config.resolved.yaml"
FROM = ("model", "from")
_LAYERS = ("model", "layers")
_BESIDE = {"from", "freeze", "digest"}
_MOST = 8
"""How many parameters a note lists."""


@dataclass(frozen=True)
class Source:
    """Weights that a model begins with.

    Attributes:
        model: as the config has it, with the absolute path and the digest.
        begin: values and frozen layers.
        inputs: shape of a row of the run's inputs, where the run has to fit them.
        classes: of the run's data, where they are known.
        told: what there is to say of its checkpoints.
    """

    model: Tuned
    begin: Beginning
    inputs: tuple[int, ...] | None
    classes: tuple[Class, ...]
    told: tuple[str, ...]

    def file(self, seed: int, config_sha256: str, data_sha256: str) -> bytes:
        """The copy that a run keeps, as a checkpoint of step 0."""
        meta = CheckpointMeta(0, 0, seed, config_sha256, data_sha256, EMPTY, EMPTY)
        named = {f"parameter/{path}": v for path, v in self.begin.values.items()}
        return bytes(encode(named, meta))


# ---------------------------------------------------------------- the layers


class _Own(Origin):
    """Of the run's own layers: where the config names the run."""


def completed(tree: Tree, path: str = "") -> Tree:
    """A config with the layers of the run that its model begins from, if it has none.

    Args:
        path: the setting that is needed; everything, if empty.

    Raises:
        Error: where the run cannot be read.
    """
    section, _, inner = path.partition(".")
    model = tree.child("model") if section in ("", "model") else None
    source = model.child("from") if model and isinstance(model.value, dict) else None
    if model is None or source is None or inner.partition(".")[0] in _BESIDE:
        return tree
    if model.child("layers") is not None or not is_trained(source.value):
        return tree
    with _at(source.origin.place(FROM)):
        layers = _layers(_absolute(source.origin.source.folder, source.value))
    at = source.origin
    own = from_plain(layers, _Own(at.source, at.line, at.column, at.width))
    return tree.put("model", model.put("layers", own))


def has_layers(resolved: Resolved) -> bool:
    """Whether a model that begins from a run has layers, its own or the run's."""
    return resolved.located(_LAYERS)[1] == _LAYERS


def _absolute(folder: Path, written: str) -> Path:
    return Path(os.path.abspath(folder / written))


def _layers(path: Path) -> list[object]:
    """The layers of a run, as a config has them."""
    folder = _folder(path)
    if folder is None:
        message = f"{path} is a checkpoint alone: nothing beside it says what layers"
        raise Error("run-missing", message, fix="write layers: […] beside from")
    return [dump(layer) for layer in load_run(folder).experiment.model]


def _folder(path: Path) -> Path | None:
    """The folder of a run, or of one of its checkpoints; None of one without a run."""
    disk = Disk()
    if disk.is_folder(path) or not disk.exists(path):
        return path
    above = path.absolute().parent.parent
    return above if disk.exists(above / RUN) else None


@contextlib.contextmanager
def _at(place: Place) -> Iterator[None]:
    """Tell what is wrong with a run at the line of the config that names it."""
    try:
        yield
    except Error as error:
        first = getattr(error, "errors", (error,))[0]
        where = f"{first.place}: " if first.place else ""
        message = f"{where}{first.message}"
        raise Error(first.code, message, place=place, fix=first.fix) from None


# ---------------------------------------------------------------- the weights


def source(model: Tuned, resolved: Resolved) -> Source:
    """Read what a model begins with.

    Raises:
        Error: where there is no such run or checkpoint, where it is damaged or not the
            one of the digest, or where no layer is called as `freeze` says.
    """
    path = _absolute(resolved.base(FROM), model.from_)
    errors = list(_unmatched(model, resolved))
    try:
        with _at(resolved.place(FROM)):
            found = _kept(model, resolved) or _read(path)
            _require_held(found.tensors, path, resolved.value.get("dtype"))
            own = digest(found.tensors)
        if model.digest not in ("", own):
            raise Error(
                "run-changed",
                f"{path} has other weights than those that this config begins with",
                place=resolved.place(("model", "digest")),
                fix="put them back, or remove digest to begin with what it has now",
            )
    except Error as error:
        errors.append(error)
    raise_all(errors)
    frozen = frozenset(f"model/{name}" for p in model.freeze for name in _of(model, p))
    return Source(
        replace(model, from_=Trained(path), digest=own),
        Beginning(found.tensors, frozen),
        found.inputs if _implied(resolved) else None,
        found.classes,
        tuple(found.told),
    )


@dataclass(frozen=True)
class _Found:
    """Weights that were read: by path, what is known of the data, what to tell."""

    tensors: Mapping[str, np.ndarray]
    inputs: tuple[int, ...] | None = None
    classes: tuple[Class, ...] = ()
    told: Sequence[str] = ()


def _read(path: Path) -> _Found:
    """The weights that a run predicts with, or those of a checkpoint file."""
    folder, disk = _folder(path), Disk()
    if folder == path:
        run = load_run(path)
        tensors, told = run.weights, run.skipped
    else:
        with _about(path):
            tensors, told = weights(decode(disk.read(path)).tensors), []
    for name, values in sorted(tensors.items()):
        if not np.isfinite(values).all():
            message = f"{name} of {path} holds numbers that are not finite"
            raise Error("run-diverged", message, fix="name a run that did not diverge")
    known: tuple[Any, ...] = (None, ())
    if folder is not None:
        data = read_preparation(RunFolder.open(folder))
        known = data.input_shape, data.classes
    return _Found(dict(sorted(tensors.items())), *known, told)


def _require_held(tensors: Mapping[str, np.ndarray], path: Path, dtype: object) -> None:
    """Refuse numbers that would not be finite any more in the dtype of this config."""
    most = np.finfo("float64" if dtype == "float64" else "float32").max
    for name, values in tensors.items():
        if values.size and np.abs(values).max() > most:
            message = f"{name} of {path} holds numbers too large for float32"
            raise Error("run-diverged", message, fix="say dtype: float64")


@contextlib.contextmanager
def _about(path: Path) -> Iterator[None]:
    """Say of which file something is told."""
    try:
        yield
    except Error as error:
        about = "" if str(path) in error.message else f"{path}: "
        raise Error(error.code, f"{about}{error.message}", fix=error.fix) from None


def _kept(model: Tuned, resolved: Resolved) -> _Found | None:
    """The copy of its first weights that a run has, if `from` stands in that run."""
    node, _ = resolved.located(FROM)
    place = node.origin.source
    file = place.folder / FIRST
    if Path(place.name).name != RESOLVED or not Disk().exists(file):
        return None
    with contextlib.suppress(Error):  # a damaged one is as good as none
        tensors = weights(decode(Disk().read(file)).tensors)
        return _Found(tensors) if digest(tensors) == model.digest else None
    return None


def _implied(resolved: Resolved) -> bool:
    """Whether the layers are the run's own, and not written in the config."""
    return isinstance(resolved.located(_LAYERS)[0].origin, _Own)


def digest(tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of names, dtypes, shapes and values."""
    found = hashlib.sha256()
    for path in sorted(tensors):
        values = np.ascontiguousarray(tensors[path])
        found.update(f"{path}\0{values.dtype.name}\0{values.shape}\0".encode())
        found.update(values.data)
    return found.hexdigest()


# ---------------------------------------------------------------- what is frozen


def _of(model: Tuned, pattern: str) -> list[str]:
    """The names of the layers that a pattern means."""
    names = [path.removeprefix("model/") for path, _, _ in walk(model, "model", ())]
    return [name for name in names if fnmatch.fnmatchcase(name, pattern)]


def _unmatched(model: Tuned, resolved: Resolved) -> Iterator[Error]:
    """A pattern that no layer is called by."""
    known = [path.removeprefix("model/") for path, _, _ in walk(model, "model", ())]
    for i, pattern in enumerate(model.freeze):
        if known and not _of(model, pattern):
            yield Error(
                "config-unknown-layer",
                f"no layer is called {show(pattern)}",
                place=resolved.place(("model", "freeze", i)),
                fix=suggest(pattern, known) or f"the layers are: {listed(known)}",
            )


# ---------------------------------------------------------------- what fits


def notes(
    source: Source, recipe: Recipe, trace: Trace, classes: tuple[Class, ...]
) -> tuple[str, ...]:
    """Which weights the model begins with, and which begin as usual.

    Args:
        classes: of the data that are trained on now.

    Raises:
        Error: `config-from` where none fits, or where the rows of the run's own model
            are of another shape here; `config-freeze` where weights that begin as usual
            would stay so, or where nothing is left to train.
    """
    wanted = {path: p.node for path, p in trace.parameters.items()} | trace.states
    given, path = source.begin.values, source.model.from_
    taken = [p for p, n in wanted.items() if source.begin.of(p, n.shape) is not None]
    others = [_misfit(p, n, given) for p, n in wanted.items() if p not in set(taken)]
    if others and source.inputs not in (None, recipe.inputs):
        raise Error(
            "config-from",
            f"{path} was trained on rows of shape {source.inputs}, these are of shape "
            f"{recipe.inputs}: so {others[0]}",
            fix="write layers: […] beside from: those that fit begin with its weights",
        )
    if not taken:
        raise Error(
            "config-from",
            f"no weight of {path} fits this model: {listed(others, _MOST)}",
            fix="call the layers as there, and give them the same sizes; it has "
            + listed((f"{_name(p)} {_size(v)}" for p, v in given.items()), _MOST),
        )
    _check_frozen(source, trace, wanted, set(wanted) - set(taken))
    told = (*source.told, *_told(source, wanted, taken, others))
    if source.classes != classes and len(source.classes) == len(classes):
        before, now = listed(map(str, source.classes)), listed(map(str, classes))
        told += (f"its outputs stood for the classes {before}, and now for {now}",)
    return told


def _check_frozen(
    source: Source, trace: Trace, wanted: Collection[str], usual: set[str]
) -> None:
    """Refuse to keep random weights as they are, or none, and to train nothing."""
    kept = [p for p in sorted(usual) if source.begin.freezes(p)]
    if kept:
        raise Error(
            "config-freeze",
            f"frozen, but not among the weights that fit: {listed(map(_name, kept))}",
            fix="leave its layer out of freeze",
        )
    for pattern in source.model.freeze:
        meant = frozenset(f"model/{name}" for name in _of(source.model, pattern))
        if not any(map(Beginning(frozen=meant).freezes, wanted)):
            message = f"{show(pattern)} has no weights of its own to keep"
            fix = "freeze the layer whose weights it uses, or leave it out"
            raise Error("config-freeze", message, fix=fix)
    if not any(made.trainable for made in trace.parameters.values()):
        message, fix = "nothing is left to train", "freeze fewer layers"
        raise Error("config-freeze", message, fix=fix)


def _told(
    source: Source, wanted: Mapping[str, Node], taken: list[str], others: list[str]
) -> Iterator[str]:
    given, path = source.begin.values, source.model.from_
    yield (
        f"{len(taken)} of {len(wanted)} weights and running averages begin as {path} "
        f"has them: {listed(map(_name, taken), _MOST)}"
    )
    if others:
        yield f"these begin as usual: {listed(others, _MOST)}"
    if left := [_name(p) for p in given if p not in wanted]:
        yield f"these of the run are not used: {listed(left, _MOST)}"
    for dtype in sorted({given[p].dtype.name for p in taken}):
        if dtype != (own := wanted[taken[0]].dtype):
            yield f"its weights are {dtype}, and become {own}"


def _misfit(path: str, node: Node, given: Mapping[str, np.ndarray]) -> str:
    there = f" (there {_size(given[path])})" if path in given else ""
    return f"{_name(path)} {_size(node)}{there}"


def _size(values: np.ndarray | Node) -> str:
    return " × ".join(map(str, values.shape)) or "1"


def _name(path: str) -> str:
    return path.removeprefix("model/")
