"""What each verb takes after its name: a function per verb, which tells a parser."""

from __future__ import annotations

import argparse

Parser = argparse.ArgumentParser

KINDS = ("mlp", "cnn", "lstm", "transformer", "autoencoder", "regression")
"""Configs that `init` can write."""


def _config(parser: Parser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="a YAML file")
    _overrides(parser)


def _overrides(parser: Parser) -> None:
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="settings that go before the file's: optimizer.adam.learning_rate=0.01",
    )
    _plugin(parser)


def _plugin(parser: Parser) -> None:
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="FILE",
        help="a Python file of yours that registers components; it is run",
    )


def _runs(parser: Parser) -> None:
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="a run folder: runs/digits-mlp/1; one that is none, such as a sweep's, "
        "stands for all runs in it",
    )


def _run_folder(parser: Parser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder: runs/digits-mlp/1")


def _json(parser: Parser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document and nothing else"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1, 2, 3, …, got {text!r}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1024 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"expected 1024 to 65535, got {text!r}")
    return int(text)


def _watch(parser: Parser) -> None:
    parser.add_argument(
        "--watch",
        action="store_true",
        help="let a browser on this machine see the page of the run as it goes on",
    )
    parser.add_argument(
        "--port", type=_port, metavar="N", help="of --watch; a free one if not given"
    )


def run(parser: Parser) -> None:
    _config(parser)
    parser.add_argument(
        "--out", metavar="DIR", help="the run folder; runs/NAME/NUMBER if not given"
    )
    parser.add_argument(
        "--seeds",
        type=_count,
        metavar="N",
        help="N runs, with seed, seed+1, …, and a table and a page of all of them; "
        "without --out the same command goes on where it was broken off",
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="train although the very same run is there already",
    )
    _watch(parser)


def resume(parser: Parser) -> None:
    _run_folder(parser)
    _overrides(parser)
    _watch(parser)


def replay(parser: Parser) -> None:
    _run_folder(parser)
    _overrides(parser)
    _json(parser)


def check(parser: Parser) -> None:
    _config(parser)
    parser.add_argument(
        "--fix",
        action="store_true",
        help="mend the file where nothing else can have been meant, and show how",
    )
    parser.add_argument(
        "--probe",
        action="store_true",
        help="try it: 20 updates, one batch learned by heart, every gradient checked",
    )
    _json(parser)


def init(parser: Parser) -> None:
    parser.add_argument(
        "what",
        metavar="KIND|TABLE",
        help=f"{', '.join(KINDS)}; or a table: data.csv, data.tsv, arrays.npz",
    )
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="COLUMN",
        help="of a table: the column to predict; more than one for a regression",
    )
    parser.add_argument(
        "--out", metavar="FILE.yaml", help="KIND.yaml or TABLE.yaml if not given"
    )
    parser.add_argument(
        "--schema",
        action="store_true",
        help="write nettrain.schema.json beside it too, which editors read",
    )


def sweep(parser: Parser) -> None:
    _config(parser)
    parser.add_argument(
        "--workers",
        type=_count,
        metavar="N",
        help="trials at the same time; the result does not depend on it",
    )
    parser.add_argument(
        "--out", metavar="DIR", help="the sweep's folder; runs/NAME/NUMBER if not given"
    )
    _json(parser)


def lr(parser: Parser) -> None:
    _config(parser)
    parser.add_argument("--out", metavar="FILE.svg", help="draw the loss over the rate")
    _json(parser)


def doctor(parser: Parser) -> None:
    _run_folder(parser)
    _plugin(parser)
    parser.add_argument(
        "--apply",
        metavar="NEW.yaml",
        help="write a config that extends the run's own by the patch",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="train with the patch, and further ones, and keep those that help",
    )
    _json(parser)


def report(parser: Parser) -> None:
    _runs(parser)
    _plugin(parser)
    parser.add_argument(
        "--png", action="store_true", help="write the pictures in plots/ as PNG too"
    )
    parser.add_argument(
        "--out",
        metavar="FILE.html",
        help="the page of several runs; report.html in the folder of them all if not "
        "given",
    )


def compare(parser: Parser) -> None:
    _runs(parser)
    _plugin(parser)
    parser.add_argument("--out", metavar="FILE.html", help="write a page too")
    _json(parser)


def runs(parser: Parser) -> None:
    parser.add_argument(
        "folders",
        nargs="*",
        default=["runs"],
        metavar="FOLDER",
        help="where to look; runs if not given",
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help='such as "test/accuracy > 0.9"; of several all have to hold',
    )
    parser.add_argument(
        "--sort", metavar="KEY", help="order by this, the least value first"
    )
    parser.add_argument(
        "--reverse", action="store_true", help="the largest value first"
    )
    _json(parser)


def graph(parser: Parser) -> None:
    parser.add_argument(
        "what",
        metavar="CONFIG|RUN|EXPRESSION",
        help='a config, a run folder, or an expression: "f = (x + y) * z"',
    )
    _overrides(parser)
    parser.add_argument(
        "--at",
        default="",
        metavar="NAMES",
        help="values of an expression's names: x=2,y=[1,2]",
    )
    parser.add_argument(
        "--weights",
        metavar="NAMES",
        help="names of an expression that are weights: w1,w2",
    )
    parser.add_argument(
        "--steps", action="store_true", help="explain the calculation node by node"
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=0.1,
        help="learning rate of the update that ends --steps; 0.1 if not given",
    )
    parser.add_argument(
        "--out", metavar="FILE", help="draw it: FILE.svg, .png, .html or .dot"
    )
    parser.add_argument(
        "--unroll",
        action="store_true",
        help="draw the time steps of recurrent layers one after the other",
    )
    parser.add_argument(
        "--unfold",
        action="store_true",
        help="draw every operation, however large the picture",
    )
    _json(parser)


def evaluate(parser: Parser) -> None:
    _run_folder(parser)
    _plugin(parser)
    parser.add_argument(
        "--data",
        metavar="FILE",
        help="raw rows with their targets; the run's own data if not given",
    )
    _json(parser)


def predict(parser: Parser) -> None:
    _run_folder(parser)
    _plugin(parser)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--data", metavar="FILE", help="raw rows")
    asked.add_argument(
        "--sample",
        type=_count,
        metavar="N",
        help="N characters of its own, of a model that was trained on a text",
    )
    parser.add_argument(
        "--prompt", default="", metavar="TEXT", help="the text that --sample goes on"
    )
    parser.add_argument(
        "--out", metavar="FILE", help="where to; standard output if not given"
    )


def export(parser: Parser) -> None:
    _run_folder(parser)
    parser.add_argument(
        "what",
        nargs="?",
        default="metrics",
        metavar="TABLE",
        help="metrics, as if not given, or statistics",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="FILE.csv or FILE.parquet; CSV to standard output if not given",
    )


def list(parser: Parser) -> None:
    parser.add_argument(
        "kind",
        nargs="?",
        metavar="KIND",
        help="layers, losses, optimizers, …; or sweep",
    )
    _plugin(parser)
    parser.add_argument(
        "--schema",
        action="store_true",
        help="print the JSON Schema of a config, or of a sweep's, for editors",
    )


def explain(parser: Parser) -> None:
    parser.add_argument(
        "path",
        metavar="PATH",
        help="a key of a config, a sweep's too, or a component's name",
    )
    _plugin(parser)


def bench(parser: Parser) -> None:
    _config(parser)
    parser.add_argument(
        "--steps",
        type=_count,
        default=50,
        metavar="N",
        help="how many steps of each kind are timed; 50 if not given",
    )
    _json(parser)


def selftest(parser: Parser) -> None:
    parser.add_argument(
        "--folder",
        default=".",
        metavar="DIR",
        help="the disk to try is that of DIR; the working folder's if not given",
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer cases: seconds, not minutes"
    )
    _json(parser)
