"""All commands of ``ape`` with their arguments. Nothing heavy is imported here, so that help and refusals are quick."""

from __future__ import annotations

import argparse

import ape
from ape.cli.operation_arguments import add_alerts, add_api, add_export, add_watch
from ape.cli.parser import Parser, alert_rate, port_number, positive_number, seed_number

BACKBONES = (  # as in `ape.detectors.names`, which is slow to import
    "crossad",
    "donut",
    "fcvae",
    "lstm-ae",
    "omni-anomaly",
    "timesnet",
    "tranad",
    "transformer",
    "vae",
)
SHELLS = ("bash", "zsh", "tcsh")
EXIT_CODES = (
    "exit codes: 0 done; 2 bad input, or items of a batch failed; 3 there are events and --fail-on-events is given;"
    " 130 interrupted; 143 ended by SIGTERM"
)
DATA_HELP = "CSV, Parquet, Feather, NPZ or UCR text file, or example:internal-bleeding"


def build_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="ape",
        description="Find anomalies in time series: train a detector, improve it with mined rules, list its events.",
        epilog=EXIT_CODES,
    )
    parser.set_defaults(module="ape.cli.commands")  # the module whose function has the command's name
    parser.add_argument("--version", action="version", version=f"ape {ape.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    series, seed, backbone, mining = _series_options(), _seed_option(), _backbone_option(), _mining_options()
    alerts, fails = _alerts_option(), _fails_option()

    run = commands.add_parser(
        "run",
        parents=[seed, backbone, mining, alerts, fails],
        help="mine a Rule Bank, train and post-train a detector, list the events of the series, write a report",
    )
    _add_optional_series(run)
    run.add_argument("--out", metavar="DIR", help="run folder; default: runs/NAME")
    run.add_argument("--resume", metavar="DIR", help="resume the run in DIR")
    run.add_argument(
        "--continue-from",
        metavar="RUN",
        help="mine and post-train again as RUN did; its events that are labelled as false alarms are normal then;"
        " with DATA: for newer data",
    )
    run.add_argument(
        "--approve",
        action="store_true",
        help="stop before post-training until the rules are approved; with --resume: approve them",
    )
    run.add_argument(
        "--drop", action="append", metavar="RULE", help="with --resume: approve the rules without RULE; repeatable"
    )
    mine = commands.add_parser("mine", parents=[series, seed, mining], help="mine a Rule Bank only")
    mine.add_argument("--out", metavar="DIR", required=True, help="run folder")
    train = commands.add_parser("train", parents=[series, seed, backbone, alerts], help="train a backbone only")
    train.add_argument("--out", metavar="DIR", required=True, help="folder for the detector")
    enhance = commands.add_parser("enhance", parents=[seed, alerts], help="post-train a detector with a Rule Bank")
    _add_data(enhance)
    _add_series_options(enhance, trained=True)
    enhance.add_argument("--detector", metavar="DIR", required=True, help="folder that 'ape train' wrote")
    enhance.add_argument("--bank", metavar="FILE", required=True, help="bank.json, or a run folder")
    enhance.add_argument("--out", metavar="DIR", required=True, help="folder for the detector and the report")
    score = commands.add_parser(
        "score", parents=[alerts, fails], help="score a series, or many, with a detector, and list the events"
    )
    score.set_defaults(module="ape.cli.score")
    score.add_argument("data", metavar="DATA", help=f"{DATA_HELP}; or a folder, a glob or a manifest, as of ape batch")
    _add_series_options(score, trained=True, scored=True, many=True)
    score.add_argument("--detector", metavar="DIR", required=True, help="folder of a trained or post-trained detector")
    score.add_argument("--own", action="store_true", help="score of the paper, not the reconstruction error")
    score.add_argument("--out", metavar="DIR", required=True, help="folder for scores.csv, events.csv and events.json")
    _add_options_for_many(score, "score")
    _add_events(commands.add_parser("events", parents=[alerts, fails], help="list the events that a run has found"))
    add_watch(commands.add_parser("watch", help="score new rows as they arrive, and report events as they happen"))
    add_alerts(commands.add_parser("alerts", help="list the events of a watch; acknowledge them, or call them false"))

    check = commands.add_parser("check", parents=[series], help="show how a file is read, without running anything")
    check.set_defaults(module="ape.cli.check")
    check.add_argument("--plot", metavar="FILE", help="PNG file to draw the series into")

    _add_bank(commands.add_parser("bank", help="inspect a Rule Bank"))
    _add_trace(commands.add_parser("trace", help="show what a run did and why"))
    _add_batch(
        commands.add_parser(
            "batch", parents=[seed, backbone, mining, alerts, fails], help="process many series unattended"
        )
    )
    _add_chat(
        commands.add_parser("chat", parents=[seed, backbone, mining, alerts], help="explore a series in conversation")
    )
    serve = commands.add_parser(
        "serve", parents=[seed, backbone, mining, alerts], help="serve the conversation as a web page"
    )
    serve.set_defaults(module="ape.cli.serve")
    _add_series_options(serve)
    serve.add_argument("--out", default="runs/chats", metavar="DIR", help="folder of all conversations")
    serve.add_argument("--port", type=port_number, default=7860, metavar="N", help="default: 7860")
    serve.add_argument("--token-file", metavar="FILE", help="token of the address; default: another one at each start")
    serve.add_argument(
        "--allow-host", action="append", metavar="NAME", help="name under which a proxy has the page; repeatable"
    )
    add_api(commands.add_parser("api", help="serve detectors over HTTP: rows in, scores and events out"))
    add_export(commands.add_parser("export", help="write a detector as ONNX graphs, to score where APE is not"))
    _add_brain(commands.add_parser("brain", help="start or check a model server for the agents"))
    detectors = commands.add_parser("detectors", help="describe the backbones")
    detectors.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser(
        "list", help="list the backbones with paper, score, cost and assumptions"
    )
    _add_bench(
        commands.add_parser("bench", help="make TimeAnomaly-Bench, simulated series with known faults"), series, seed
    )
    _add_eval(commands.add_parser("eval", help="run experiments that measure the benefit of post-training"))
    pretrain = commands.add_parser(
        "pretrain", parents=[seed], help="pretrain the rule discriminator on generated processes; resumes"
    )
    pretrain.set_defaults(module="ape.cli.pretrain")
    pretrain.add_argument("--out", metavar="DIR", required=True, help="rerun with the same --out to resume")
    pretrain.add_argument("--processes", type=positive_number, default=4000, metavar="N", help="default: 4000")
    pretrain.add_argument("--steps", type=positive_number, default=20_000, metavar="N", help="default: 20000")
    pretrain.add_argument("--device", default="cpu", metavar="NAME", help="cpu or cuda; default: cpu")
    doctor = commands.add_parser("doctor", help="check this machine and say how to fix what is missing")
    doctor.set_defaults(module="ape.cli.doctor")
    commands.add_parser("warm-up", help="compile the matrix profile once, before the first run")
    completion = commands.add_parser("completion", help="print a script that completes words in a shell")
    completion.set_defaults(module="ape.cli.completion")
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    for leaf in parser.leaves():
        _add_output_options(leaf)
    return parser


def _series_options() -> Parser:
    options = Parser(add_help=False)
    _add_data(options)
    _add_series_options(options)
    return options


def _add_data(parser: Parser) -> None:
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)


def _add_optional_series(parser: Parser) -> None:
    parser.add_argument("data", nargs="?", metavar="DATA", help=DATA_HELP)
    _add_series_options(parser)


def _add_series_options(parser: Parser, *, trained: bool = False, scored: bool = False, many: bool = False) -> None:
    """Add the options of reading: for a trained detector, which knows its counters; for scoring only; for a batch."""
    parser.add_argument("--column", action="append", metavar="NAME", help="channel to use; repeatable; default: all")
    if not scored:
        parser.add_argument(
            "--train-end",
            metavar="WHERE",
            help="end of the training part, taken as normal: a row, a date, or a percentage such as 60%%",
        )
    reading = parser.add_argument_group("reading the file (by default everything is inferred)")
    reading.add_argument("--decimal", choices=[".", ","], help="decimal mark; the other one separates thousands")
    reading.add_argument(
        "--time-format", metavar="FORMAT", help="such as '%%d.%%m.%%Y %%H:%%M'; or s, ms, us, ns since 1970; or excel"
    )
    reading.add_argument("--dayfirst", action=argparse.BooleanOptionalAction, help="01/02/2024 is 1 February, or not")
    reading.add_argument("--timezone", metavar="ZONE", help="zone of times without an offset, such as Europe/Berlin")
    reading.add_argument(
        "--series-column",
        metavar="NAME",
        help="column of a long table that names the series, which become channels; NAME=VALUE reads one of them"
        + (", and NAME=* makes each of them an item" if many else ""),
    )
    reading.add_argument(
        "--missing", action="append", metavar="WORD", help="cell that means a missing value; repeatable"
    )
    reading.add_argument(
        "--header", action=argparse.BooleanOptionalAction, help="the first row names the columns, or not"
    )
    if not trained:
        reading.add_argument("--difference", action="store_true", help="read the increments of counters")


def _seed_option() -> Parser:
    options = Parser(add_help=False)
    options.add_argument("--seed", type=seed_number, default=0, metavar="N", help="default: 0")
    return options


def _backbone_option() -> Parser:
    options = Parser(add_help=False)
    options.add_argument(
        "--backbone",
        default="vae",
        choices=BACKBONES,
        metavar="NAME",
        help="default: vae; 'ape detectors list' lists all",
    )
    return options


def _alerts_option() -> Parser:
    options = Parser(add_help=False)
    options.add_argument(
        "--alerts-per",
        type=alert_rate,
        metavar="PERIOD",
        help="false alarms to accept: one in each 'day', 'week' or 'training' part of normal data, or a number of them"
        " such as day=3 or week=0.5; default: week, or training if the training part is shorter",
    )
    return options


def _fails_option() -> Parser:
    options = Parser(add_help=False)
    options.add_argument("--fail-on-events", action="store_true", help="exit with code 3 if there are events")
    return options


def _add_output_options(parser: Parser) -> None:
    output = parser.add_argument_group("output")
    output.add_argument(
        "--json", action="store_true", help="print the result as one JSON document; all else goes to stderr"
    )
    output.add_argument("--quiet", action="store_true", help="print nothing but errors and the result of --json")


def _add_events(events: Parser) -> None:
    events.set_defaults(module="ape.cli.events")
    events.add_argument("run", metavar="RUN", help="run folder, or folder that 'ape score' wrote")
    events.add_argument("--top", type=positive_number, default=20, metavar="N", help="most events; default: 20")
    events.add_argument(
        "--save",
        action="store_true",
        help="with --alerts-per: write the events and the threshold into the run folder, and the report again",
    )


def _mining_options() -> Parser:
    options = Parser(add_help=False)
    options.add_argument("--text", metavar="FILE", help="text about the scenario")
    options.add_argument("--log", metavar="FILE", help="log file; only lines of the training part are used")
    options.add_argument(
        "--image", action="append", metavar="FILE", help="picture for the visual inspector; repeatable"
    )
    options.add_argument(
        "--brain",
        metavar="URL",
        help="model of the agents: 'embedded', or the address of a server; default: APE_BRAIN_URL, or embedded",
    )
    return options


def _add_bank(bank: Parser) -> None:
    actions = bank.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, description in (("validate", "check every field"), ("show", "print the rules")):
        actions.add_parser(action, help=description).add_argument(
            "bank", metavar="BANK", help="bank.json, or a run folder"
        )
    actions.add_parser("schema", help="print the JSON Schema of banks")


def _add_trace(trace: Parser) -> None:
    trace.set_defaults(module="ape.cli.trace")
    trace.add_argument("run", metavar="RUN", help="run folder")
    trace.add_argument("--agent", metavar="NAME", help="only spans of this agent, e.g. 'rule critic'")
    trace.add_argument("--rule", metavar="RULE", help="only spans about this rule")
    forms = trace.add_mutually_exclusive_group()
    forms.add_argument("--why", metavar="RULE", help="show the evidence of a rule and all decisions about it")
    forms.add_argument("--html", action="store_true", help="write RUN/trace.html, with timeline and pictures")
    forms.add_argument("--against", metavar="RUN", help="compare the Rule Banks of two runs")
    forms.add_argument(
        "--fork", type=int, metavar="STEP", help="make a new run that resumes after STEP of the mining, with changes"
    )
    for decision, description in (("accept", "accepted"), ("reject", "rejected"), ("revise", "sent back for revision")):
        trace.add_argument(
            f"--{decision}", action="append", metavar="RULE", help=f"with --fork: RULE is {description}; repeatable"
        )
    trace.add_argument("--out", metavar="DIR", help="with --fork: folder of the new run")


def _add_batch(batch: Parser) -> None:
    batch.set_defaults(module="ape.cli.batch")
    batch.add_argument(
        "manifest", metavar="MANIFEST", help="a folder, a glob, a long table, or a CSV with the column 'path'"
    )
    _add_series_options(batch, many=True)
    batch.add_argument("--out", metavar="DIR", required=True, help="rerun with the same --out to resume")
    batch.add_argument("--enhance", action="store_true", help="also train, post-train and score each series")
    _add_options_for_many(batch, "mine")


def _add_options_for_many(parser: Parser, what: str) -> None:
    many = parser.add_argument_group("many series")
    many.add_argument("--workers", type=positive_number, metavar="N", help="number of processes; default: 2")
    many.add_argument("--ray", metavar="ADDRESS", help=f"{what} on a Ray cluster: 'auto' or its address")
    many.add_argument("--timeout", type=float, metavar="SECONDS", help="limit for each series; default: none")
    many.add_argument("--retries", type=int, metavar="N", help="after unexpected failures; default: 1")


def _add_chat(chat: Parser) -> None:
    chat.set_defaults(module="ape.cli.chat")
    _add_optional_series(chat)
    chat.add_argument("--out", metavar="DIR", help="run folder; default: runs/chat-NAME")
    chat.add_argument("--resume", metavar="DIR", help="resume the conversation in DIR")
    chat.add_argument("--thread", default="main", metavar="NAME", help="with --resume: branch to use; default: main")


def _add_brain(brain: Parser) -> None:
    brain.set_defaults(module="ape.cli.brain")
    actions = brain.add_subparsers(dest="action", required=True, metavar="ACTION")
    serve = actions.add_parser("serve", help="print the vLLM command for this GPU; run it if vLLM is installed")
    serve.add_argument("--model", metavar="NAME", help="default: the largest Qwen3-VL that fits the GPU")
    serve.add_argument("--port", type=port_number, default=8000, metavar="N", help="default: 8000")
    check = actions.add_parser("check", help="check that a running server supports what the agents need")
    check.add_argument("url", nargs="?", metavar="URL", help="default: APE_BRAIN_URL")


def _add_bench(bench: Parser, series: Parser, seed: Parser) -> None:
    bench.set_defaults(module="ape.cli.bench")
    actions = bench.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="print one line per fault: scenario, fault, mechanism, morphology")
    make = actions.add_parser("make", parents=[seed], help="make a set of series with texts and ground truth")
    make.add_argument("--out", metavar="DIR", required=True, help="folder for the set")
    make.add_argument(
        "--config",
        metavar="FILE",
        help="JSON with sizes, events and severity; default: 10 series of 10,000 points per scenario",
    )
    supplement = actions.add_parser(
        "supplement", parents=[series, seed], help="put faults into copies of a series without anomalies"
    )
    supplement.add_argument("--out", metavar="DIR", required=True, help="folder for the set")
    describe = actions.add_parser("describe", help="print a scenario, or the data card of a set")
    describe.add_argument("what", metavar="WHAT", help="name of a scenario, or folder of a set")
    gallery = actions.add_parser("gallery", parents=[seed], help="draw each fault beside its normal twin, as HTML")
    gallery.add_argument("--out", metavar="FILE", required=True, help="HTML file to write")


def _add_eval(evaluation: Parser) -> None:
    evaluation.set_defaults(module="ape.cli.eval")
    actions = evaluation.add_subparsers(dest="action", required=True, metavar="ACTION")
    run = actions.add_parser("run", help="measure the missing cells of an experiment, then write its report")
    run.add_argument("experiment", metavar="EXPERIMENT", help="a .toml file, or the name of a packaged experiment")
    run.add_argument("--data", metavar="DIR", help="folder of the published UCR files; default: sets in APE_DEV_DATA")
    run.add_argument("--out", metavar="DIR", help="default: runs/eval-EXPERIMENT; rerun with the same --out to resume")
    run.add_argument("--workers", type=positive_number, default=2, metavar="N", help="number of processes; default: 2")
    run.add_argument("--ray", metavar="ADDRESS", help="measure on a Ray cluster: 'auto' or its address")
    actions.add_parser("report", help="rewrite the report").add_argument(
        "run", metavar="DIR", help="folder given as --out"
    )
    compare = actions.add_parser("compare", help="compare two runs of an experiment, with confidence intervals")
    compare.add_argument("before", metavar="A", help="folder of the first run")
    compare.add_argument("after", metavar="B", help="folder of the second run")
