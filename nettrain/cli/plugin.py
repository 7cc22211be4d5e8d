"""Python files that a person names on the command line, never a config."""

from __future__ import annotations

import importlib.util
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
        reason = f"the plugin failed: {type(error).__name__}: {error}"
        raise Error("usage-plugin", reason, place=_place(file, error)) from error


def _place(file: str, error: BaseException) -> Place:
    """The last line of the plugin itself that was running."""
    if isinstance(error, SyntaxError) and error.lineno:
        return Place(file, error.lineno, error.offset, error.text or "")
    frames = traceback.extract_tb(error.__traceback__)
    path = str(Path(file).resolve())
    own = [f for f in frames if str(Path(f.filename).resolve()) == path]
    if not own:
        return Place(file)
    line = own[-1].line or ""
    return Place(file, own[-1].lineno, 1, line, max(1, len(line)))
