"""The ``ape`` command: parse arguments, call the function of the command, print errors as one line with exit code 2."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import TracebackType

from ape.cli.ending import CODES, end_on_signals, say_at_end
from ape.cli.streams import broken_output, named_output, open_closed_streams, say

# New objects until unreachable cycles are looked for. Python's 700 cost a quarter of the time of all imports.
COLLECTED = (50_000, 20, 100)
RESUME = "resume with 'ape run --resume DIR', or rerun the same command"
SERVERS = ("api", "serve", "watch")
# GB of addresses, open files and threads; with less, libraries fail to load, end the process, or wait for ever.
THREADS = 8 + (os.cpu_count() or 1)
READING, COMPUTING = (1.3, 8, 4), (2.2, 24, THREADS)
NEEDS = {"completion": (0.2, 8, 0), "check": (1.0, 8, THREADS), "batch": (2.2, 64, THREADS)} | dict.fromkeys(
    ("alerts", "bank", "detectors", "doctor", "events", "trace"), READING
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code.

    Without ``argv``, the process is this command's alone: its words are those of the process, and from the first moment
    on Ctrl-C and SIGTERM end it. All other imports therefore come afterwards.
    """
    if argv is None:
        open_closed_streams()
        say_at_end("" if sys.argv[1:2] and sys.argv[1] in SERVERS else RESUME)
        end_on_signals()
        gc.set_threshold(*COLLECTED)
    from ape.cli.edits import edits_printed
    from ape.core.escapes import escaped_output

    with named_output(), escaped_output(), edits_printed():
        code = _run(argv)
    if argv is None and code == CODES[signal.SIGINT]:
        broken_output()
        os._exit(code)  # what else runs is not waited for
    return code


def _run(argv: Sequence[str] | None) -> int:
    """Parse the arguments, run the command, and print its error."""
    from ape.cli.arguments import build_parser
    from ape.cli.inputs import require_inputs
    from ape.core.errors import InputError
    from ape.core.limits import require_limits, shortage, what_failed
    from ape.core.redaction import redact_record

    warnings.filterwarnings("ignore", r"Glyph \d+")  # a name has characters that the font of pictures lacks
    warnings.filterwarnings("ignore", ".*joblib will operate in serial mode")  # without shared memory
    if logging.lastResort is not None:
        logging.lastResort.addFilter(redact_record)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns when it has no folder for its cache
    sys.excepthook = _report
    parser = build_parser()
    try:
        arguments = parser.parse_args(argv)
        if arguments.command is None:
            parser.print_help()
            return 0
        require_inputs(arguments)  # before a command imports what takes seconds
        require_limits(*NEEDS.get(arguments.command, COMPUTING))
        terminal = importlib.import_module("ape.cli.terminal")
        terminal.set_output(json=arguments.json, quiet=arguments.quiet)
        commands = importlib.import_module(arguments.module)
        code = getattr(commands, arguments.command.replace("-", "_"))(arguments) or 0
        sys.stdout.flush()
        return code
    except InputError as error:
        say(f"ape: {error}\n")
        return 2
    except BrokenPipeError:  # the reader of the output has closed the pipe
        broken_output()
        return 0
    except OSError as error:
        broken_output()
        say(f"ape: {what_failed(error)}\n")
        return 2
    except Exception as error:  # libraries have kinds of their own
        if not (short := shortage(error)):
            raise
        say(f"ape: {short}\n")
        return 2
    except KeyboardInterrupt:
        say(f"ape: stopped; {RESUME}\n")
        return CODES[signal.SIGINT]


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error that no command expects, without secrets."""
    from ape.core.redaction import redacted

    sys.stderr.write(redacted("".join(traceback.format_exception(kind, error, trace))))


if __name__ == "__main__":
    sys.exit(main())
