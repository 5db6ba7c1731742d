"""Call the ``ape`` command in this process."""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from unittest import mock

from ape.cli.main import main


@dataclass(frozen=True)
class Done:
    """What a command did: its exit code and output, or the traceback of an exception that it did not catch."""

    code: int
    out: str
    err: str
    crash: str = ""


def call(words: Sequence[object], stdin: str = "") -> Done:
    """Run a command; an exception of it is returned, not raised."""
    out, err, code, crash = io.StringIO(), io.StringIO(), 1, ""
    typed = io.StringIO(stdin)
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "stdin", typed),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")  # as outside of the tests
        for hidden in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", hidden)
        try:
            code = main([str(word) for word in words])
        except SystemExit as error:
            code = int(error.code or 0)
        except Exception:  # whatever is not caught is a traceback
            crash = traceback.format_exc()
    return Done(code, out.getvalue(), err.getvalue(), crash)
