"""Python files that a person names on the command line, never a config."""

from __future__ import annotations

import importlib.util
import linecache
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from nettrain.errors import Error, Place

_NAME = "nettrain_plugin_"


def load(files: Sequence[str]) -> None:
    """Run each file, so that the components it registers are known by name.

    Raises:
        Error: `usage-plugin`, with the line of the file where it failed.
    """
    for number, file in enumerate(files, start=1):
        _load(file, f"{_NAME}{number}")


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
        raise _failed(error, _place(file, error) or Place(file)) from error


def blamed(error: BaseException) -> Error | None:
    """What to say of an exception that came out of a plugin's code; None if none did.

    A plugin's layer is called long after it was loaded.
    """
    plugins = [module for name, module in sys.modules.items() if name.startswith(_NAME)]
    places = (_place(str(module.__file__), error) for module in plugins)
    place = next(filter(None, places), None)
    return None if place is None else _failed(error, place)


def _failed(error: BaseException, place: Place) -> Error:
    code = "memory-full" if isinstance(error, MemoryError) else "usage-plugin"
    return Error(code, f"the plugin failed: {_told(error)}", place=place)


def _told(error: BaseException) -> str:
    """What an exception says, which is a person's own code, too."""
    if isinstance(error, Error):
        return error.message
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except Exception as another:
        return f"{name}, whose text is lost to a {type(another).__name__}"


def _place(file: str, error: BaseException) -> Place | None:
    """The last line of the plugin itself that was running, or cannot be read."""
    path = Path(file).resolve()
    if isinstance(error, SyntaxError) and Path(error.filename or "").resolve() == path:
        return Place(file, error.lineno, error.offset, error.text or "")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).resolve() == path]
    if not own:
        return None
    at = own[-1]
    begin, end = at.colno or 0, at.end_colno or 0
    text = linecache.getline(file, at.lineno or 0)
    return Place(file, at.lineno, begin + 1, text, max(1, end - begin))
