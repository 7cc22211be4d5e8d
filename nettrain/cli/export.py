"""The verb `export`: the numbers of a run, for other programs."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from nettrain.disk import Disk
from nettrain.errors import Error, visible
from nettrain.experiment.doctor import check_free
from nettrain.record.export import FORMATS, TABLES
from nettrain.record.folder import RunFolder


def export(arguments: Namespace) -> int:
    """`nettrain export RUN [TABLE]`."""
    if arguments.what not in TABLES:
        message = f'there is no table "{arguments.what}"'
        raise Error("usage-arguments", message, fix=f"one of {', '.join(TABLES)}")
    ending = Path(arguments.out).suffix.lower() if arguments.out else ".csv"
    if ending not in FORMATS:
        message = f'"{arguments.out}" is neither CSV nor Parquet'
        fix = f"let its name end in {' or '.join(FORMATS)}"
        raise Error("usage-arguments", message, fix=fix)
    target = Path(arguments.out) if arguments.out else None
    if target is not None:
        check_free(target)
    table = TABLES[arguments.what](RunFolder.open(arguments.run))
    data = FORMATS[ending](table)
    if target is None:
        text = data.decode()
        sys.stdout.write(visible(text) if sys.stdout.isatty() else text)
        return 0
    Disk().replace(target, data)
    rows = len(table["step"])
    print(visible(f"{rows:,} rows of {len(table)} columns written to {target}"))
    return 0
