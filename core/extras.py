"""Optional packages: which extra brings them, and whether they can be imported."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from ape.core.errors import InputError


def require_extra(extra: str, packages: Sequence[str], use: str, where: str) -> None:
    """Import the packages of an extra.

    Parameters
    ----------
    extra : str
        Its name in ``pip install 'ape-tsad[EXTRA]'``.
    packages : sequence of str
    use : str
        What needs them, for the message.
    where : str
        The command or file that asks.

    Raises
    ------
    InputError
        One is missing, or is there and cannot be imported.
    """
    install = f"pip install 'ape-tsad[{extra}]'"
    for name in packages:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error.name or name
            if missing.partition(".")[0] == name:
                raise InputError(f"{use} needs the package {name}", where, install) from error
            raise InputError(f"the package {name} lacks {missing}", where, f"{install} again") from error
        except Exception as error:  # a broken package raises anything
            why = " ".join(str(error).split())[:200] or type(error).__name__
            hint = f"install it again: pip install --force-reinstall {name}"
            raise InputError(f"the package {name} cannot be imported: {why}", where, hint) from error
