"""The ``ape`` command: parse arguments, call the function of the command, print errors as one line with exit code 2."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import TracebackType

from ape.cli.arguments import build_parser
from ape.cli.edits import edits_printed
from ape.cli.inputs import require_inputs
from ape.core.errors import InputError
from ape.core.escapes import escaped_output
from ape.core.redaction import redact_record, redacted


@edits_printed()
def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    with escaped_output():
        return _run(argv)


def _run(argv: Sequence[str] | None) -> int:
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
        terminal = importlib.import_module("ape.cli.terminal")
        terminal.set_output(json=arguments.json, quiet=arguments.quiet)
        commands = importlib.import_module(arguments.module)
        return getattr(commands, arguments.command.replace("-", "_"))(arguments) or 0
    except InputError as error:
        sys.stderr.write(f"ape: {error}\n")
        return 2
    except BrokenPipeError:  # the reader of the output has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        sys.stderr.write(
            f"ape: {error.strerror or error} ({error.filename or 'disk'}): free space, or check the permissions\n"
        )
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("ape: stopped; resume with 'ape run --resume DIR', or rerun the same command\n")
        return 130
    return 0


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error that no command expects, without secrets."""
    sys.stderr.write(redacted("".join(traceback.format_exception(kind, error, trace))))


if __name__ == "__main__":
    sys.exit(main())
