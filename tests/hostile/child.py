"""Opens every hostile thing with every command for it, watched; tells as JSON.

Run as `python -m tests.hostile.child FOLDER`, the names of the cases, a line each, on
standard input. Everything is imported and done once with good files before the first
hostile one; each case is a fork of that.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from nettrain.selftest.shortened import shortened
from tests.hostile import pages, runs, slots, texts, watch
from tests.hostile.case import Case, Place

SECONDS = 60
"""After which a case counts as hanging; most take less than one."""
MEMORY = 3 << 30
"""What a case may take beside what the good files took."""


def main() -> None:
    folder, wanted = Path(sys.argv[1]), set(sys.stdin.read().splitlines())
    base = folder / "base"
    warm_up(base)
    gc.freeze()  # its pages are then not copied in every fork
    watch.install()
    for case in (*controls(), *slots.cases(), *texts.cases()):
        if case.name in wanted:
            print(json.dumps(told(case, folder, base)), flush=True)


def warm_up(base: Path) -> None:
    run = runs.make(base)
    config = str(base / "config.yaml")
    runs.last(run).unlink()
    commands = [*runs.verbs(run), ["resume", str(run)]]
    commands += [["check", config, "--probe"], ["check", config, "--json"]]
    commands += [["graph", config], ["lr", config], ["bench", config, "--steps", "1"]]
    commands += [["graph", "f = tanh(x)", "--at", "x=[1,2]"]]
    for words in commands:
        code, said = runs.call(words)
        assert code == 0, (words, said)
    runs.call(["run", config, "no.such.key=1"])
    shutil.copy(run / "report.html", base / "good.html")
    shutil.copy(base / "both.html", base / "good-both.html")


def told(case: Case, folder: Path, base: Path) -> dict[str, Any]:
    """What came of a case, opened in a fork."""
    place = Place(folder / "case", folder / "outside", base)
    for path in (place.folder, place.outside):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    answer, say = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(answer)
        _opened(case, place, say)
    os.close(say)
    with open(answer, encoding="utf-8") as file:
        text = file.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code or not text:
        return {"name": case.name, "problems": [f"the process ended with {code}"]}
    found: dict[str, Any] = json.loads(text)
    return found


def _opened(case: Case, place: Place, say: int) -> None:
    whole = contextlib.nullcontext()
    try:
        with whole if case.pictures else shortened(predicted=True):
            found = _problems(case, place)
    except BaseException:
        found = {"name": case.name, "problems": [traceback.format_exc()]}
    with open(say, "w", encoding="utf-8") as file:
        json.dump(found, file)
    os._exit(0)


def _problems(case: Case, place: Place) -> dict[str, Any]:
    os.chdir(place.folder)
    (place.outside / "mine").write_text("mine")
    commands = case.make(place)
    before = snapshot(place.outside)
    status = Path("/proc/self/statm").read_text().split()
    limit = int(status[0]) * resource.getpagesize() + MEMORY
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    signal.alarm(SECONDS)
    problems, codes, showed, began = [], [], False, time.monotonic()
    with watch.watching(place.folder) as seen:
        for words in commands:
            code, said = runs.call(words)
            codes.append(f"{words[0]} {code}")
            problems += [f"{words[0]}: {p}" for p in _wrong(code, said)]
            if words[0] in ("run", "report", "resume"):
                drawn, shown = _drawn(case, place)
                problems += [f"{words[0]}: {p}" for p in drawn]
                showed |= shown
    signal.alarm(0)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    problems += seen
    if snapshot(place.outside) != before:
        problems.append("something outside has changed")
    if case.shows and not showed:
        problems.append(f"{case.shows} stands on no page")
    seconds = round(time.monotonic() - began, 2)
    return {
        "name": case.name,
        "codes": codes,
        "seconds": seconds,
        "problems": problems,
    }


def _wrong(code: int, said: str) -> list[str]:
    """What is wrong with how a command ended, and with what it wrote."""
    problems = [] if code in (0, 2, 3, 4, 5, 6, 7, 8) else [f"exit {code}: {said}"]
    if "Traceback" in said:
        problems.append(said)
    bad = {c for c in said if not c.isprintable() and c not in "\n\t\xa0"}
    problems += [f"wrote {c!r}: {said!r:.300}" for c in sorted(bad)]
    return problems


def snapshot(folder: Path) -> dict[str, bytes | str]:
    """Everything in a folder, links by what they say."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else "folder"
    return found


def _drawn(case: Case, place: Place) -> tuple[list[str], bool]:
    """What is wrong with pages and pictures that were made, and whether it is shown."""
    problems, showed = [], False
    for name, good in (("report.html", "good.html"), ("both.html", "good-both.html")):
        for path in place.folder.rglob(name):
            if path.is_symlink() or not path.is_file():
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            if text.startswith("<!DOCTYPE"):
                model = (place.base / good).read_text()
                problems += [f"{name}: {p}" for p in pages.page_problems(text, model)]
                showed |= bool(case.shows) and case.shows in text
    for path in place.folder.rglob("*.svg") if case.pictures else ():
        if path.read_bytes().startswith((b"<?xml", b'<svg xmlns="')):
            found = pages.picture_problems(path.read_text(encoding="utf-8"))
            problems += [f"{path.name}: {p}" for p in found]
    return problems, showed


# ---------------------------------------------------------------- is it watched at all


def controls() -> list[Case]:
    """Things that must be seen; each of these has to have problems."""

    def does(call: Any) -> Case:
        def make(place: Place) -> list[list[str]]:
            def instead(words: list[str]) -> tuple[int, str]:
                said = io.StringIO()
                with contextlib.redirect_stdout(said):
                    call(place)
                return 0, said.getvalue()

            runs.call = instead
            return [["control"]]

        return Case(f"control: {call.__name__}", make)

    def unpickles(place: Place) -> None:
        import pickle

        from tests.hostile.case import evil

        pickle.loads(evil(place))

    def writes_outside(place: Place) -> None:
        (place.outside / "x").write_text("")

    def writes_through_a_link(place: Place) -> None:
        (place.folder / "link").symlink_to(place.outside)
        (place.folder / "link/x").write_text("")

    def removes_outside(place: Place) -> None:
        (place.outside / "mine").unlink()

    def imports(place: Place) -> None:
        import antigravity_or_not  # type: ignore[import-not-found]  # noqa: F401

    def executes(place: Place) -> None:
        exec("1 + 1")

    def evaluates(place: Place) -> None:
        eval("1 + 1")

    def starts(place: Place) -> None:
        os.system("true")

    def hangs(place: Place) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        signal.pause()

    def takes_memory(place: Place) -> None:
        bytearray(MEMORY * 2)

    def writes_escapes(place: Place) -> None:
        print("\x1b[31m")

    calls = (unpickles, writes_outside, writes_through_a_link, removes_outside)
    calls += (imports, executes, evaluates, starts, hangs, takes_memory, writes_escapes)
    return [does(call) for call in calls]


if __name__ == "__main__":
    main()
