"""From a file or mapping, what it extends, patches and overrides to one config."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

from nettrain.component import (
    INVALID,
    MISTAKES,
    Component,
    Fix,
    Home,
    Path,
    Problem,
    build,
    dump,
    field_types,
    listed,
    phrase,
    show,
    suggest,
    unspaced,
)
from nettrain.config.annotations import (
    Kinds,
    completed,
    is_family,
    kinds_at,
    members,
    named,
    record,
    step,
)
from nettrain.config.belongs import UNWRITTEN, Holder, belongs, fitting, holders
from nettrain.config.merge import merged
from nettrain.config.override import overridden
from nettrain.config.patch import patched
from nettrain.config.paths import find, locate, written
from nettrain.config.reader import Document, is_path, place_in, place_of, read
from nettrain.config.tree import Tree, from_plain
from nettrain.config.writer import write_resolved
from nettrain.errors import Error, Errors, Place, raise_all

_CHAIN = 20
"""Configs that may extend each other in a row."""
_FEW = 3
"""Components that are named where another was perhaps meant."""


@dataclass(frozen=True)
class Resolved:
    """A config put together, each of its values with its place.

    Attributes:
        tree: the values.
        schema: the dataclass that they are to build.
        text: the config as it was given: the file's text, or YAML of the mapping.
        faults: what was found wrong on the way; `errors` and `build` report it.
    """

    tree: Tree
    schema: type
    text: str
    faults: tuple[Error, ...] = ()

    @cached_property
    def value(self) -> Any:
        """The plain config, without `extends` and `patch`."""
        return self.tree.plain()

    def find(self, path: str) -> Path:
        """The keys of a written path: `model.dense1` gives `("model", 0)`."""
        return find(self.tree, self.schema, path)

    def located(self, path: Path) -> tuple[Tree, Path]:
        """The tree at a path, or the nearest above it, with the path reached."""
        return locate(self.tree, self.schema, path)

    def place(self, path: Path, key: bool = False) -> Place:
        """Where a value stands, or its key, or what is nearest above it."""
        node, reached = self.located(path)
        above = reached != path and isinstance(node.value, (dict, tuple))
        return place_of(node, path, key or above)

    def written(self, path: Path) -> str:
        """A path as a person writes it: `model.dense1.units`."""
        return written(self.tree, self.schema, path)

    def source(self, path: Path) -> str:
        """`FILE:LINE`, `extends FILE:LINE`, `command line`, `mapping` or `default`."""
        node, reached = self.located(path)
        return str(node.origin) if reached == path else "default"

    def base(self, path: Path) -> FilePath:
        """The folder from which a relative path that stands here starts."""
        return self.located(path)[0].origin.source.folder

    def errors(self, problems: Sequence[Problem]) -> list[Error]:
        """Problems as errors with places, and all found before, in file order."""
        # What a tag hides is read as something else: one error is enough.
        tagged = {str(f.place) for f in self.faults if f.code == "config-tag"}
        # A section that is missing as all of it stands elsewhere is told of there.
        homes = {home for problem in problems for home in self._homes(problem)}
        found = [
            self._error(problem)
            for problem in problems
            if (problem.path, problem.message) not in homes
        ]
        found = [error for error in found if str(error.place) not in tagged]
        return self.ordered([*self.faults, *found])

    def _homes(self, problem: Problem) -> Iterator[tuple[Path, str]]:
        """How it is told that a section is missing to which a key belongs that stands
        beside it."""
        if problem.code != "config-unknown-key" or problem.fix:
            return
        key, within = str(problem.path[-1]), problem.path[:-1]
        value = self.located(problem.path)[0].plain()
        above = f"{self.written(within)}.".lstrip(".")
        for holder in fitting(self._holders, key, value):
            if holder.label.startswith(above):
                name = holder.label[len(above) :].partition(".")[0]
                yield within, f"missing key {show(name)}"

    def ordered(self, errors: Iterable[Error]) -> list[Error]:
        """Each error once: the config's line by line, then those of other files."""
        main = self.tree.origin.source.name
        distinct = {str(error): error for error in errors}
        found = sorted(distinct.values(), key=lambda error: _order(error, main))
        if len(found) > MISTAKES:
            message = f"from here on there are more than these {MISTAKES} mistakes"
            fix = "mend those above first"
            place = found[MISTAKES].place
            found[MISTAKES:] = [Error("config-limit", message, place=place, fix=fix)]
        return found

    def build(self) -> Any:
        """The instance of the schema; raises every error at once."""
        built, problems = self.built()
        raise_all(self.errors(problems))
        assert built is not INVALID
        return built

    def built(self) -> tuple[Any, list[Problem]]:
        """The instance of the schema, or INVALID and what is wrong."""
        problems: list[Problem] = []
        return build(self.schema, self.value, (), problems), problems

    @cached_property
    def _holders(self) -> list[Holder]:
        return list(holders(self.tree, (self.schema,)))

    def _error(self, problem: Problem) -> Error:
        node, _ = self.located(problem.path)
        # A rule that several settings break is told at the name they stand under.
        whole = problem.code != "config-type" and isinstance(node.value, (dict, tuple))
        at_key = problem.at_key or whole
        place = self.place(problem.path, at_key)
        message, fix = problem.sentence(self.written), self.fix(problem)
        return Error(problem.code, message, place=place, fix=fix)

    def fix(self, problem: Problem) -> str | None:
        """What to do about a problem, by all that stands in the config."""
        if problem.code != "config-unknown-key" or problem.sure:
            return problem.fix
        return self._instead(problem, self.located(problem.path)[0].plain())

    def _instead(self, problem: Problem, value: Any) -> str | None:
        """What to do about an unknown key: where it belongs, or what it should be."""
        key, within = str(problem.path[-1]), problem.path[:-1]
        cls = record(kinds_at(self.schema, within))
        known = field_types(cls) if cls else {}
        if cls and (fix := unspaced(cls, key)):  # {epochs:2}
            return fix
        near = [h for h in self._holders if h.rank != UNWRITTEN]
        other: str | None = None
        far = [h for h in self._holders if h.rank == UNWRITTEN]
        if cls is not None and issubclass(cls, Component):
            # Another component of the same family may be the one that was meant.
            listed_in = len(within) > 1 and isinstance(within[-2], int)
            above = within[:-2] if listed_in else within[:-1]
            family = self.written(above)
            if listed_in:
                near, other = self._own(near, within), self._another(within)
            inside = f"{self.written(within)}."
            far = [
                h
                for h in far
                if h.label.rpartition(".")[0] == family or h.label.startswith(inside)
            ]
        keys = f"its keys are: {listed(known)}" if known else None
        elsewhere: str | None = belongs(far, key, value)
        if elsewhere and cls is not None and issubclass(cls, Component):
            elsewhere += f"; here {keys or 'are none'}"
        nearby = self._home(belongs(near, key, value), within) or problem.fix
        if not nearby and not within:
            said = 'did you mean "extends"?' if key == "base" else None  # as in sweeps
            nearby = said or suggest(key, ("extends", "patch"))
        return nearby or other or elsewhere or keys

    def _own(self, near: Sequence[Holder], within: Path) -> list[Holder]:
        """Places but for those in other components of the list, which have their own
        settings."""
        first = next(i for i, key in enumerate(within) if isinstance(key, int))
        others, inside = self.written(within[:first]), self.written(within)
        return [
            h
            for h in near
            if not h.label.startswith(f"{others}.")
            or f"{h.label}.".startswith(f"{inside}.")
        ]

    def _another(self, within: Path) -> str | None:
        """The components of a list's family that take all the settings written here."""
        node, _ = self.located(within)
        keys = node.value if isinstance(node.value, dict) else ()
        kinds = kinds_at(self.schema, within[:-1])
        family = next(kind for kind in kinds if is_family(kind))
        found = [
            f"`{name}`"
            for name in named(kinds)
            if all(step(step(kinds, name), key) for key in keys)
        ]
        words = f"did you mean the {family.kind} {' or '.join(found)}?"
        return words if 0 < len(found) <= _FEW else None

    def _home(self, fix: Fix | None, within: Path) -> Fix | None:
        """Where a key belongs; in words alone where that is in a list of several."""
        if fix is None or not isinstance(fix.edit, Home):
            return fix
        keys = self.find(fix.edit.path) if fix.edit.path else ()
        rest = keys[len(within) :] if keys[: len(within)] == within else keys
        return Fix(fix) if any(isinstance(key, int) for key in rest) else fix


def resolve(
    source: str | os.PathLike[str] | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    schema: type,
    document: Document | None = None,
) -> Resolved:
    """Read a config, lay it over what it extends, patch it, and apply the overrides.

    Args:
        source: the file, or what stands in one.
        overrides: settings that go before it.
        schema: the dataclass that is to be built.
        document: what to take for the file's text, if not what stands there.
    """
    faults: list[Error] = []
    chain: tuple[str, ...] = ()
    if isinstance(source, Mapping):
        tree = from_plain(source)
        text = write_resolved(dump(tree.plain()), lambda _: "")
    else:
        document = document or read(source)
        tree, text, faults = document.tree, document.text, [*document.faults]
        chain = (os.path.realpath(source),)
    try:
        tree = _extended(tree, schema, chain, faults)
    except Error as error:
        raise (Errors([*faults, error]) if faults else error) from None
    tree, more = overridden(tree, overrides, schema)
    faults += more
    faults += _empty(tree, (schema,))
    try:
        tree = completed(tree, schema)
    except Error as error:
        faults.append(error)
    return Resolved(tree, schema, text, tuple(faults))


def _empty(tree: Tree, kinds: Kinds) -> Iterator[Error]:
    """Settings after whose ":" nothing stands, where null would be a value: `epochs:`.

    Somebody meant to write something there, or would have left it out.
    """
    fields = field_types(cls) if (cls := record(kinds)) else {}
    held = tree.value if isinstance(tree.value, (dict, tuple)) else ()
    pairs: Iterable[tuple[Any, Tree]] = enumerate(held)
    for key, child in held.items() if isinstance(held, dict) else pairs:
        allowed = members(fields[key]) if key in fields else ()
        if child.origin.width == 0 and type(None) in allowed:
            told = phrase(fields[key]).removesuffix(" or nothing")
            message = f"expected {told}, got nothing"
            place = place_of(child, (key,), key=True)
            fix = "write a value, or null, or leave the key out"
            yield Error("config-type", message, place=place, fix=fix)
        yield from _empty(child, step(kinds, key))


def _order(error: Error, main: str) -> tuple[int, str, int, int]:
    """The main file first, line by line; then others, the command line, the rest."""
    place = error.place
    if place is None:
        return (2, "", 0, 0)
    told = place.file if place.line else str(place)
    return (int(place.file != main), told, place.line or 0, place.column or 0)


def _extended(
    given: Tree, schema: type, chain: tuple[str, ...], faults: list[Error]
) -> Tree:
    """The tree laid over what it extends, with its patch applied."""
    if not isinstance(given.value, dict):
        found = "an empty file" if given.value is None else show(given.plain())
        message = f"expected a mapping of settings, got {found}"
        place = given.origin.place()
        keys = f"its keys are: {listed(field_types(schema))}"
        fix = unspaced(schema, given.value) or keys
        raise Error("config-type", message, place=place, fix=fix)
    extends, edits = given.child("extends"), given.child("patch")
    own = {k: v for k, v in given.value.items() if k not in ("extends", "patch")}
    tree = given.holding(own)
    if extends is not None:
        tree = merged(_base(extends, schema, chain, faults), tree, (schema,))
    if edits is not None:
        tree, problems = patched(tree, edits, schema)
        for problem in problems:
            place = place_in(given, problem.path, problem.at_key)
            message = problem.sentence()
            faults.append(Error(problem.code, message, place=place, fix=problem.fix))
    return tree


def _base(
    extends: Tree, schema: type, chain: tuple[str, ...], faults: list[Error]
) -> Tree:
    """The config that another extends, itself extended and patched."""
    place = place_of(extends, ("extends",), key=False)
    written, source = extends.value, extends.origin.source
    if not isinstance(written, str) or not is_path(written):
        message = f"expected the path of a config, got {show(extends.plain())}"
        raise Error("config-type", message, place=place)
    path = os.path.join(source.folder, written)
    real = os.path.realpath(path)
    if real in chain or len(chain) >= _CHAIN:
        what = "itself" if real in chain else f"more than {_CHAIN} configs in a row"
        raise Error("config-extends", f"the config extends {what}", place=place)
    beside = os.path.dirname(source.name) if source.lines else ""
    name = os.path.normpath(os.path.join(beside, written))
    document = read(path, name=name, kind="extends", written=written, cited=place)
    faults += document.faults
    return _extended(document.tree, schema, (*chain, real), faults)
