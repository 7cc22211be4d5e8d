"""Nothing that is read is run: hostile files of all kinds, opened by every verb.

`tests/hostile` makes them and opens them in processes of its own, with an audit hook
that sees whatever is imported, executed, started, or written outside the run folder.
Formulas in cells of a table stay as they are: what a spreadsheet makes of a CSV file is
not decided here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import slots, texts

ROOT = Path(__file__).parents[1]
SLOW = (
    *("million digits", "without end", "100,000", "300,000", "trillion", "bomb"),
    *("CRLF", "extends a link", "names that lead out", "a pickle beside"),
)
"""What takes seconds, or is trained with: the long part has it."""
SHOWN = ("HTML in every text of a run folder", "escapes in columns and classes")
"""What pages and pictures are drawn of: each text, and each way for it, once."""
IN_A_RUN = [case.name for case in slots.cases()]
CONFIGS = [case.name for case in texts.configs()]
DATA = [case.name for case in (*texts.arrays(), *texts.tables())]
CASES = [*IN_A_RUN, *(case.name for case in texts.cases())]
EVERY_DAY = [
    *IN_A_RUN[::11],  # each is opened by eight verbs
    *(name for name in CONFIGS if not any(slow in name for slow in SLOW)),
    *[name for name in DATA if not any(slow in name for slow in SLOW)][::2],
    *SHOWN,
]
"""The others are tried in the long part."""
CONTROLS = [
    f"control: {name}"
    for name in (
        *("unpickles", "writes_outside", "writes_through_a_link", "removes_outside"),
        *("imports", "executes", "evaluates", "starts", "hangs", "takes_memory"),
        "writes_escapes",
    )
]
"""What the watch has to see; see `child.controls`."""


def _opened(folder: Path, names: list[str]) -> dict[str, Any]:
    """What came of each case."""
    child = subprocess.run(
        [sys.executable, "-m", "tests.hostile.child", folder],
        input="\n".join(names),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    told = map(json.loads, child.stdout.splitlines())
    return {found["name"]: found for found in told}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The controls and the cases of every day, by name."""
    return _opened(tmp_path_factory.mktemp("hostile"), [*CONTROLS, *EVERY_DAY])


def _problems(found: dict[str, Any], names: list[str]) -> dict[str, list[str]]:
    told = {name: found[name]["problems"] for name in names}
    return {name: problems for name, problems in told.items() if problems}


def test_the_watch_sees_what_must_not_be(opened: dict[str, Any]) -> None:
    assert list(_problems(opened, CONTROLS)) == CONTROLS


def test_nothing_that_is_read_is_run(opened: dict[str, Any]) -> None:
    assert _problems(opened, EVERY_DAY) == {}


@pytest.mark.long
def test_nothing_at_all_that_is_read_is_run(tmp_path: Path) -> None:
    assert _problems(_opened(tmp_path, CASES), CASES) == {}


def test_there_are_enough_of_them_with_a_name_each() -> None:
    assert len(set(CASES)) == len(CASES) >= 150
    assert len(EVERY_DAY) >= 60
