"""The ``ape`` command: parse arguments, call the function of the command, print errors as one line with exit code 2."""

from __future__ import annotations

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

RESUME = "resume with 'ape run --resume DIR', or rerun the same command"
SERVERS = ("api", "serve", "watch")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code.

    Without ``argv``, the process is this command's alone: its words are those of the process, and from the first moment
    on Ctrl-C and SIGTERM end it. All other imports therefore come afterwards.
    """
    if argv is None:
        end_on_signals()
    from ape.cli.edits import edits_printed
    from ape.core.escapes import escaped_output

    with escaped_output(), edits_printed():
        code = _run(argv)
    if argv is None and code == CODES[signal.SIGINT]:
        sys.stdout.flush()
        os._exit(code)  # what else runs is not waited for
    return code


def _run(argv: Sequence[str] | None) -> int:
    """Parse the arguments, run the command, and print its error."""
    from ape.cli.arguments import build_parser
    from ape.cli.inputs import require_inputs
    from ape.core.errors import InputError
    from ape.core.limits import remedy, require_addresses, shortage
    from ape.core.redaction import redact_record

    warnings.filterwarnings("ignore", r"Glyph \d+")  # a name has characters that the font of pictures lacks
    if logging.lastResort is not None:
        logging.lastResort.addFilter(redact_record)
    sys.excepthook = _report
    parser = build_parser()
    try:
        arguments = parser.parse_args(argv)
        if arguments.command is None:
            parser.print_help()
            return 0
        require_inputs(arguments)  # before a command imports what takes seconds
        require_addresses()
        say_at_end("" if arguments.command in SERVERS else RESUME)
        terminal = importlib.import_module("ape.cli.terminal")
        terminal.set_output(json=arguments.json, quiet=arguments.quiet)
        commands = importlib.import_module(arguments.module)
        return getattr(commands, arguments.command.replace("-", "_"))(arguments) or 0
    except InputError as error:
        sys.stderr.write(f"ape: {error}\n")
        return 2
    except BrokenPipeError:  # the reader of the output has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        sys.stderr.write(f"ape: {shortage(error) or f'{error.strerror or error}{where}: {remedy(error)}'}\n")
        return 2
    except (MemoryError, RuntimeError, ImportError, SystemError) as error:
        if not (short := shortage(error)):
            raise
        sys.stderr.write(f"ape: {short}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"ape: stopped; {RESUME}\n")
        return CODES[signal.SIGINT]


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error that no command expects, without secrets."""
    from ape.core.redaction import redacted

    sys.stderr.write(redacted("".join(traceback.format_exception(kind, error, trace))))


if __name__ == "__main__":
    sys.exit(main())
