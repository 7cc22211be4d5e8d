"""Metrics and statistics as a table for other programs: CSV or Parquet.

A cell that a row does not have is missing: empty in CSV, null in Parquet. That is not
the same as `nan`, a number that could not be computed. Floats are 64 bits wide, in CSV
with the fewest digits that give the same bits back. Metrics that are tables, such as
confusion, have no row; they stand in the summary of run.json.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence

from nettrain.errors import Error
from nettrain.record.folder import RunFolder
from nettrain.record.metrics import read_metrics
from nettrain.record.statistics import parsed, read_cells

Cell = int | float | str | None
Table = Mapping[str, Sequence[Cell]]
"""Name -> its cells, a row each: int, float or text throughout, or missing."""

_INTEGERS = ("step", "epoch", "dead")
_TEXTS = ("node", "role")


def metrics(folder: RunFolder) -> Table:
    """`metrics.jsonl`: a row per update; names in the order in which they come up."""
    rows = read_metrics(folder.disk, folder.metrics)
    names = dict.fromkeys(["step", "epoch", *(name for row in rows for name in row)])
    for row in rows:
        row.update({n: float(v) for n, v in row.items() if n not in _INTEGERS})
    return {name: [row.get(name) for row in rows] for name in names}


def statistics(folder: RunFolder) -> Table:
    """`statistics.csv`: a row per node and moment."""
    cells = read_cells(folder.disk, folder.statistics)
    columns: dict[str, list[Cell]] = {}
    for name, values in parsed(cells, folder.statistics).items():
        pairs = zip(values.tolist(), cells[name], strict=True)
        columns[name] = [value if cell else None for value, cell in pairs]
    columns["dead"] = [_count(value, folder) for value in columns["dead"]]
    return columns


def _count(value: Cell, folder: RunFolder) -> int | None:
    """A count that was read as a float: of units, so far from where that rounds."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer() and 0 <= value < 2**53:
        return int(value)
    message = f"{folder.statistics} is damaged: {value} is no number of dead units"
    raise Error("run-damaged", message)


TABLES: Mapping[str, Callable[[RunFolder], Table]] = {
    "metrics": metrics,
    "statistics": statistics,
}


def to_csv(table: Table) -> bytes:
    """As CSV with a line of names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    return text.getvalue().encode("utf-8", "backslashreplace")


def to_parquet(table: Table) -> bytes:
    """As Parquet, columns of int64, float64 and text.

    Raises:
        Error: `usage-package` where pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        message = f"Parquet is written by pyarrow, which cannot be imported: {error}"
        fix = 'pip install "nettrain[parquet]", or name a file that ends in .csv'
        raise Error("usage-package", message, fix=fix) from error
    columns = {}
    for name, cells in table.items():
        kind = pyarrow.string() if name in _TEXTS else pyarrow.float64()
        kind = pyarrow.int64() if name in _INTEGERS else kind
        columns[name] = pyarrow.array(cells, kind, from_pandas=False)
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


FORMATS: Mapping[str, Callable[[Table], bytes]] = {
    ".csv": to_csv,
    ".parquet": to_parquet,
}
"""By the ending of a file."""
