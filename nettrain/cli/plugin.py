"""Python files that a person names on the command line, never a config."""

from __future__ import annotations

import importlib.util
import linecache
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from nettrain.errors import Error, Place


def load(files: Sequence[str]) -> None:
    """Run each file, so that the components it registers are known by name.

    Raises:
        Error: `usage-plugin`, with the line of the file where it failed.
    """
    for number, file in enumerate(files, start=1):
        _load(file, f"nettrain_plugin_{number}")


def _load(file: str, name: str) -> None:
    if not Path(file).is_file():
        raise Error("usage-plugin", f'there is no plugin file "{file}"')
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        fix = "name a file that ends in .py"
        raise Error("usage-plugin", f'the plugin "{file}" is no Python file', fix=fix)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their annotations up in the module of this name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        told = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
        message = f"the plugin failed: {told}"
        raise Error("usage-plugin", message, place=_place(file, error)) from error


def _place(file: str, error: BaseException) -> Place:
    """The last line of the plugin itself that was running, or cannot be read."""
    path = Path(file).resolve()
    if isinstance(error, SyntaxError) and Path(error.filename or "").resolve() == path:
        return Place(file, error.lineno, error.offset, error.text or "")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).resolve() == path]
    if not own:
        return Place(file)
    at = own[-1]
    begin, end = at.colno or 0, at.end_colno or 0
    text = linecache.getline(file, at.lineno or 0)
    return Place(file, at.lineno, begin + 1, text, max(1, end - begin))
