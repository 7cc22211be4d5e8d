"""Files of a run with anything in them: only declared errors, in bounded time.

A checkpoint's hash is made right again after every change, and the rows' too, so that
nothing but the reader itself stands between what is in a file and what comes of it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nettrain.errors import Error
from nettrain.experiment.load import load_run
from nettrain.record.checkpoint import decode
from nettrain.selftest.shortened import shortened
from tests.hostile import runs

Json = Any
Check = Callable[[st.DataObject], None]
often = pytest.mark.parametrize(
    "examples", [5, pytest.param(300, marks=pytest.mark.long)], ids=str
)


def tried(examples: int, check: Check) -> None:
    """Do it with so many examples; few of them have the time for every verb."""
    hypothesis.settings(max_examples=examples)(given(st.data())(check))()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, for copying only."""
    with shortened(predicted=True):
        return runs.make(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(autouse=True)
def short() -> Iterator[None]:
    with shortened(predicted=True):
        yield


def survives(run: Path, data: st.DataObject) -> None:
    """Some verbs, resume the last of them, end with an exit code that is declared."""
    *others, resume = runs.verbs(run)
    for words in [*data.draw(st.permutations(others))[:2], resume]:
        code, said = runs.call(words)
        assert code in (0, 2, 3, 4, 6, 7), f"{words[0]}: {code}\n{said}"


# ---------------------------------------------------------------- values

ODD: list[Json] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        1.5,
        -0.0,
        1e308,
        2**31,
        2**63,
        -(2**63),
        10**400,
    ),
    *(float("nan"), float("inf"), "", "nan", "inf", "x", "a/b", "../../x", "\ud800"),
    *("\0", "\x1b]0;x\x07", "é\u202e", "1" * 5000, [], [None], {}, {"": None}),
]
deep: Json = []
for _ in range(90):
    deep = [deep]
ODD += [deep, {"step": deep}]
odd = st.sampled_from(ODD).map(copy.deepcopy)


def _places(value: Json, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    members: Any = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = list(enumerate(value))[:6]
    for key, member in members:
        yield from _places(member, (*path, key))


@st.composite
def changed(draw: st.DrawFn, value: Json) -> Json:
    """A value of JSON with something changed, missing, doubled or added."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from([p for p in _places(value) if p] or [()]))
        if not path:
            return draw(odd)
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        what = draw(st.sampled_from(["set", "set", "set", "delete", "double", "add"]))
        if what == "set":
            holder[path[-1]] = draw(odd)
        elif what == "delete":
            del holder[path[-1]]
        elif isinstance(holder, list):
            holder.append(holder[path[-1]] if what == "double" else draw(odd))
        else:
            holder[draw(st.sampled_from(["x", "", "step", "\x1b[31m"]))] = draw(odd)
    return value


def _text(value: Json) -> str:
    return json.dumps(value)


# ---------------------------------------------------------------- JSON files


@often
@pytest.mark.parametrize("name", ["run.json", "findings.json", "data.json"])
def test_json_of_a_run(run: Path, name: str, examples: int) -> None:
    def check(data: st.DataObject) -> None:
        with runs.copied(run, run.parent / "copy" / "run") as spoilt:
            plain = json.loads((spoilt / name).read_text())
            (spoilt / name).write_text(_text(data.draw(changed(plain))))
            runs.last(spoilt).unlink()
            survives(spoilt, data)

    tried(examples, check)


WRONG: list[tuple[str, tuple[Any, ...], Json, str]] = [
    ("run.json", ("status",), "done", "status"),
    ("run.json", ("step",), True, "step"),
    ("run.json", ("lines", "config"), "config.yaml", "lines.config"),
    ("run.json", ("summary", "best"), [], "summary.best"),
    ("run.json", ("diagnosis", "share_of_step"), "nan", "diagnosis.share_of_step"),
    ("findings.json", (), {}, "nothing"),
    ("findings.json", (0, "severity"), "worse", "0.severity"),
    ("findings.json", (0, "healthy"), [1], "0.healthy"),
    ("findings.json", (0, "why"), None, "0.why"),
    ("data.json", ("task",), "x", "task"),
    ("data.json", ("columns", 0, "kind"), "x", "a column of no kind"),
    ("data.json", ("columns", 0, "kind"), "categorical", "KeyError"),
    ("data.json", ("columns", 2, "categories"), ["a"], "an input of shape"),
    ("data.json", ("input_shape",), [2**40, 2**40], "an input of shape"),
    ("data.json", ("targets",), [], "0 targets"),
    ("data.json", ("classes",), ["a", "b"], "it wants 2 outputs"),
    ("data.json", ("preprocess", 0, "learned", "mean"), [1.0] * 5, "broadcast"),
    (
        "data.json",
        ("preprocess", 0, "learned", "mean"),
        [[1.0]] * 5,
        "of other columns",
    ),
    ("data.json", ("preprocess", 0, "learned"), {}, "KeyError"),
    ("data.json", ("preprocess", 0, "step"), "os.system", "unknown preprocessing"),
]


@pytest.mark.parametrize(("name", "path", "value", "told"), WRONG)
def test_what_is_wrong_is_named(
    run: Path, name: str, path: tuple[Any, ...], value: Json, told: str
) -> None:
    with runs.copied(run, run.parent / "copy" / "run") as spoilt:
        plain = {"": json.loads((spoilt / name).read_text())}
        holder: Json = plain
        for key in ("", *path)[:-1]:
            holder = holder[key]
        holder[("", *path)[-1]] = value
        (spoilt / name).write_text(json.dumps(plain[""]))
        with pytest.raises(Error) as caught:
            loaded = load_run(spoilt)
            assert loaded.findings is not None
            assert loaded.model is not None
        assert caught.value.exit_code == 4
        assert told in caught.value.message


# ---------------------------------------------------------------- rows


@often
def test_rows_of_metrics(run: Path, examples: int) -> None:
    def check(data: st.DataObject) -> None:
        with runs.copied(run, run.parent / "copy" / "run") as spoilt:
            lines = (spoilt / "metrics.jsonl").read_text().splitlines()
            at = data.draw(st.sampled_from(range(len(lines))))
            lines[at] = _text(data.draw(changed(json.loads(lines[at]))))
            (spoilt / "metrics.jsonl").write_text("\n".join(lines) + "\n")
            runs.last(spoilt).unlink()
            runs.reseal(spoilt)
            survives(spoilt, data)

    tried(examples, check)


CELLS = [
    *("", "nan", "-1", "0", "1e999", "inf", "x", "9" * 30, "9" * 5000, "1.5", " 1 "),
    *("1_0", "\x00", '"', '"a,b"', "\x1b[2J", "é", "../x", "<b>", "x" * 3000),
]


@often
def test_rows_of_statistics(run: Path, examples: int) -> None:
    def check(data: st.DataObject) -> None:
        with runs.copied(run, run.parent / "copy" / "run") as spoilt:
            lines = (spoilt / "statistics.csv").read_text().splitlines()
            for _ in range(data.draw(st.integers(1, 3))):
                at = data.draw(st.sampled_from(range(len(lines))))
                cells = lines[at].split(",")
                cells[data.draw(st.integers(0, len(cells) - 1))] = data.draw(
                    st.sampled_from(CELLS)
                )
                lines[at] = ",".join(cells)
            (spoilt / "statistics.csv").write_text("\n".join(lines) + "\n")
            runs.last(spoilt).unlink()
            runs.reseal(spoilt)
            survives(spoilt, data)

    tried(examples, check)


# ---------------------------------------------------------------- checkpoints

SIZES = {"F64": 8, "F32": 4, "I64": 8, "U8": 1, "U32": 4, "BOOL": 1, "F16": 2}
DTYPES = [*SIZES, "I32", "BF16", "C64", "F8_E4M3", "x", 7]


@st.composite
def layouts(draw: st.DrawFn, header: dict[str, Any]) -> dict[str, Any]:
    """The header with a tensor whose entry says something else than it did."""
    header = copy.deepcopy(header)
    names = [name for name in header if name != "__metadata__"]
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(names))
        names.remove(name)
        entry, what = header[name], draw(st.sampled_from(["any", "form", "name", "go"]))
        if what == "any":
            header[name] = draw(changed(entry))
        elif what == "name":
            new = draw(st.sampled_from([*names, "x", "", "../../x", "\x1b[31m"]))
            header[new] = header.pop(name)
        elif what == "go":
            del header[name]
        else:
            header[name] = entry | draw(_form(entry))
    return header


@st.composite
def _form(draw: st.DrawFn, entry: dict[str, Any]) -> dict[str, Any]:
    begin, end = entry["data_offsets"]
    count = 1
    for n in entry["shape"]:
        count *= n
    shape = st.sampled_from(
        [
            *([count], [], [1, *entry["shape"]], entry["shape"][::-1], [count, 1]),
            *([0], [0, 2**62], [2**63], [2**40, 2**40], [-1], [1] * 70, [count + 1]),
        ]
    )
    offsets = st.sampled_from(
        [
            *([begin, end + 1], [begin - 1, end], [end, begin], [0, end], [0, 2**63]),
            *([begin, begin], [-1, end], [begin], [begin, end, end], [1.5, end]),
        ]
    )
    return draw(
        st.fixed_dictionaries(
            {},
            optional={
                "dtype": st.sampled_from(DTYPES),
                "shape": shape,
                "data_offsets": offsets,
            },
        )
    )


@often
def test_layout_of_a_checkpoint_is_read_or_refused(run: Path, examples: int) -> None:
    def check(data: st.DataObject) -> None:
        header, body = runs.opened(runs.last(run).read_bytes())
        header = data.draw(layouts(header))
        if data.draw(st.booleans()):
            meta = header["__metadata__"]
            meta["nettrain"] = data.draw(changed(meta["nettrain"]))
        try:
            decode(runs.sealed(header, body))
        except Error as error:
            assert error.code in ("checkpoint-damaged", "checkpoint-format")

    tried(40 * examples, check)


NUMBERS = ["nan", "inf", "-inf", "-1", "0", "1", "3", "1e9", "1e18", "1e308"]


@st.composite
def contents(draw: st.DrawFn, header: dict[str, Any], body: bytes) -> bytes:
    """A body in which one tensor's numbers are others."""
    import numpy as np

    kinds = {"F64": "f8", "F32": "f4", "I64": "i8", "U8": "u1", "U32": "u4"}
    names = [
        name
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] in kinds
    ]
    interesting = [name for name in names if name.startswith(("loop", "diagnosis"))]
    name = draw(st.sampled_from(interesting) | st.sampled_from(names))
    begin, end = header[name]["data_offsets"]
    kind = kinds[header[name]["dtype"]]
    array = np.frombuffer(body[begin:end], kind).copy()
    if not array.size:
        return body
    at = draw(st.integers(0, array.size - 1) | st.just(slice(None)))
    value = float(draw(st.sampled_from(NUMBERS)))
    with np.errstate(all="ignore"):
        if kind[0] != "f":
            limits = np.iinfo(kind)
            value = int(np.clip(np.nan_to_num(value), limits.min, 2.0**62))
            value = min(value, limits.max)
        array[at] = value
    return body[:begin] + array.tobytes() + body[end:]


@often
def test_checkpoint_that_verifies_and_makes_no_sense(run: Path, examples: int) -> None:
    def check(data: st.DataObject) -> None:
        with runs.copied(run, run.parent / "copy" / "run") as spoilt:
            path = spoilt / "checkpoints" / runs.LAST
            header, body = runs.opened(path.read_bytes())
            for _ in range(data.draw(st.integers(1, 2))):
                body = data.draw(contents(header, body))
            before = spoilt / "checkpoints" / runs.BEFORE
            if data.draw(st.booleans()):  # also of one from which training goes on
                old_header, old_body = runs.opened(before.read_bytes())
                path.unlink()
                old_body = data.draw(contents(old_header, old_body))
                before.write_bytes(runs.sealed(old_header, old_body))
            else:
                path.write_bytes(runs.sealed(header, body))
            survives(spoilt, data)

    tried(examples, check)


@often
def test_checkpoint_of_another_layout(run: Path, examples: int) -> None:
    def check(data: st.DataObject) -> None:
        with runs.copied(run, run.parent / "copy" / "run") as spoilt:
            for name in (runs.LAST, runs.BEFORE):
                path = spoilt / "checkpoints" / name
                header, body = runs.opened(path.read_bytes())
                header = data.draw(plausible(header))
                path.write_bytes(runs.sealed(header, body))
            survives(spoilt, data)

    tried(examples, check)


@st.composite
def plausible(draw: st.DrawFn, header: dict[str, Any]) -> dict[str, Any]:
    """A header that the format allows, and no network of this run has."""
    header = copy.deepcopy(header)
    names = [name for name in header if name != "__metadata__"]
    name = draw(st.sampled_from(names))
    entry = header[name]
    count = 1
    for n in entry["shape"]:
        count *= n
    same = [d for d, size in SIZES.items() if size == SIZES[entry["dtype"]]]
    what = draw(st.sampled_from(["dtype", "shape", "name", "swap"]))
    if what == "dtype":
        entry["dtype"] = draw(st.sampled_from(same))
    elif what == "shape":
        shapes = [[count], [count, 1], [1, count], entry["shape"][::-1], [1] * 60]
        entry["shape"] = draw(st.sampled_from(shapes if count == 1 else shapes[:-1]))
    elif what == "name":
        header[draw(st.sampled_from(["x", "../../x", "diagnosis/evidence/x"]))] = (
            header.pop(name)
        )
    else:
        other = draw(st.sampled_from(names))
        header[name], header[other] = header[other], header[name]
    return header


def test_no_model_is_made_without_one_of_its_weights(run: Path) -> None:
    with runs.copied(run, run.parent / "copy" / "run") as spoilt:
        path = spoilt / "checkpoints" / runs.LAST
        header, body = runs.opened(path.read_bytes())
        for kind in ("parameter", "best"):
            header[f"x/{kind}"] = header.pop(f"{kind}/model/dense1/bias")
        path.write_bytes(runs.sealed(header, body))
        with pytest.raises(Error, match="no model/dense1/bias") as caught:
            load_run(spoilt).predict([[0.0, 0.0, "north"]])
        assert caught.value.code == "checkpoint-mismatch"
