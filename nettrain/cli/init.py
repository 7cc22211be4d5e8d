"""The verb `init`: a commented config that runs as it is."""

from __future__ import annotations

import json
import os
import re
import shlex
from argparse import Namespace
from pathlib import Path

from nettrain.cli.arguments import KINDS
from nettrain.component import listed, suggest
from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.experiment.doctor import check_free

TEMPLATES = Path(__file__).parents[1] / "experiment" / "templates"
"""The configs of `nettrain init mlp`, one for each kind."""
_TABLES = (".csv", ".tsv", ".npz")
_SCHEMA = "nettrain.schema.json"


def init(arguments: Namespace) -> int:
    """`nettrain init KIND` and `nettrain init TABLE --target COLUMN`."""
    what, targets = arguments.what, arguments.target
    if what in KINDS:
        stem = what
    elif _is_path(what):
        stem = Path(what).stem
    else:
        fix = suggest(what, KINDS) or f"known: {listed(KINDS)}; or the path of a table"
        raise Error("usage-kind", f'unknown kind of config "{what}"', fix=fix)
    out = Path(arguments.out or f"{stem}.yaml")
    check_free(out)
    name = _name(out.stem)
    if what in KINDS:
        if targets:
            message = f"{what} has its own data, and so no --target"
            raise Error("usage-arguments", message, fix="name a table in its place")
        text = _template(what, name, str(out))
    else:
        text = _of_table(what, targets, str(out), name)
    if arguments.schema:
        text = f"# yaml-language-server: $schema={_SCHEMA}\n{text}"
        _write_schema(out.with_name(_SCHEMA))
    Disk().replace(out, text.encode(), durable=False)
    print(f"written to {out}\n  nettrain run {shlex.quote(str(out))}")
    return 0


def _is_path(what: str) -> bool:
    return "." in what or os.sep in what or Path(what).exists()


def _name(stem: str) -> str:
    """A run's name made of a file's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-")[:100] or "table"


def _template(kind: str, name: str, out: str) -> str:
    """The config of a kind, by the name that it is given."""
    text = (TEMPLATES / f"{kind}.yaml").read_text("utf-8")
    text = text.replace(f"{kind}.yaml", shlex.quote(out))
    text = text.replace(f"runs/{kind}/", f"runs/{name}/")
    return re.sub(rf"(?m)^name: {kind}( *)", f"name: {_quoted(name)}\\1", text)


def _quoted(name: str) -> str:
    from nettrain.config.writer import inline

    return inline(name)


def _of_table(path: str, targets: list[str], out: str, name: str) -> str:
    from nettrain.experiment.init import config_of

    if Path(path).suffix.lower() not in _TABLES:
        raise _no_table(path)
    return config_of(path, targets, out, name)


def _no_table(path: str) -> Error:
    """What to do about data that are no table."""
    if not Path(path).exists():
        return Error("data-missing-file", f'there is no file "{path}"')
    file, how = shlex.quote(path), ""
    if Path(path).is_dir():
        how = f"cnn, and in it say source: {{images: {{path: {file}, size: [32, 32]}}}}"
    elif "idx" in Path(path).name:
        how = f"cnn, and in it say source: {{idx: {{images: {file}, labels: …}}}}"
    elif Path(path).suffix.lower() in (".txt", ".md", ""):
        how = f"transformer, and in it say source: {{text: {{path: {file}}}}}"
    fix = f"nettrain init {how}" if how else "save it as .csv, with names in line 1"
    message = f'"{path}" is no table that ends in {", ".join(_TABLES)}'
    return Error("data-no-table", message, fix=fix)


def _write_schema(path: Path) -> None:
    """The JSON Schema beside the config; one of another version is replaced.

    Raises:
        Error: `run-file-exists` where a file of that name is no schema of ours.
    """
    from nettrain.cli.manual import schema
    from nettrain.record import json_text

    if Disk().exists(path) and not _is_schema(path.read_bytes()):
        message = f"{path} is there, and is not the schema of nettrain's configs"
        fix = "rename it, or leave --schema out"
        raise Error("run-file-exists", message, fix=fix)
    Disk().replace(path, json_text.document(schema()), durable=False)


def _is_schema(content: bytes) -> bool:
    """Whether it is a JSON Schema that knows an experiment's sections."""
    try:
        known = json.loads(content)["properties"]
        return {"data", "model", "loss"} <= set(known)
    except (ValueError, LookupError, TypeError):
        return False
