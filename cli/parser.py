"""The parser class of all commands: errors are one line and suggest what may have been meant."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from ape.core.alert_rates import AlertRate
from ape.core.errors import InputError

HELP_COLUMN = 28  # at most
CLOSE = 0.6  # least similarity of a suggestion


class Parser(argparse.ArgumentParser):
    """Parser that raises `InputError` instead of printing its usage."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": _formatter, **options})

    def commands(self) -> dict[str, Parser]:
        """Return the parsers of the commands of this one by name; empty if it has none."""
        nested = [action for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        return {name: parser for action in nested for name, parser in action.choices.items()}

    def leaves(self) -> Iterator[Parser]:
        """Yield the parsers of all commands without further commands."""
        if not self.commands():
            yield self
        for parser in self.commands().values():
            yield from parser.leaves()

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; an unknown option is refused before argparse complains about what follows from it."""
        words = list(sys.argv[1:] if args is None else args)
        if not self.commands():
            self._refuse_unknown_options(words)
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise the message of argparse as `InputError`."""
        commands = self.commands()
        if message.startswith("argument "):
            option, _, what = message.removeprefix("argument ").partition(": ")
            raise InputError(what, option, self._see_help())
        asks = commands and not message.startswith("unrecognized")
        raise InputError(message, self.prog, f"give one of {', '.join(commands)}" if asks else self._see_help())

    def _see_help(self) -> str:
        return f"see '{self.prog} --help'"

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        option, name = "/".join(action.option_strings), str(action.metavar or action.dest).lower()
        what = name if isinstance(action, argparse._SubParsersAction) or not option else option.removeprefix("--")
        listed = ", ".join(f"'{choice}'" if option else choice for choice in known)
        hint = suggestion(str(value), known) or f"give one of {listed}"
        raise InputError(f"no {what} '{value}'", option or self.prog, hint)

    def _refuse_unknown_options(self, words: list[str]) -> None:
        known = [option for action in self._actions for option in action.option_strings]
        for word in words:
            option = word.partition("=")[0]
            if word == "--":
                return
            looks_so = option.startswith("-") and option.lstrip("-")[:1].isalpha() and " " not in option
            if looks_so and not any(name.startswith(option) for name in known):
                raise InputError(f"no option '{option}'", self.prog, suggestion(option, known) or self._see_help())


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.HelpFormatter(prog, max_help_position=HELP_COLUMN)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a question for the known word that is most like ``word``; empty if none is."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=CLOSE)
    return f"did you mean '{close[0]}'?" if close else ""


def alert_rate(word: str) -> AlertRate:
    """Parse an accepted rate of false alarms, such as ``day`` or ``week=0.5``."""
    try:
        return AlertRate.parse(word)
    except InputError as error:
        raise argparse.ArgumentTypeError(f"{error.what}: {error.hint}") from error


def positive_number(word: str) -> int:
    """Parse a whole number above 0."""
    if not word.isdecimal() or int(word) == 0:
        msg = f"'{word}' is not a whole number above 0"
        raise argparse.ArgumentTypeError(msg)
    return int(word)


def port_number(word: str) -> int:
    """Parse the number of a TCP port."""
    if not word.isdecimal() or not 0 < int(word) < 2**16:
        msg = f"'{word}' is not a port: give a number from 1 to 65535"
        raise argparse.ArgumentTypeError(msg)
    return int(word)


def seed_number(word: str) -> int:
    """Parse a seed."""
    if not word.isdecimal() or int(word) >= 2**31:
        msg = f"'{word}' is not a whole number from 0 to 2147483647"
        raise argparse.ArgumentTypeError(msg)
    return int(word)
