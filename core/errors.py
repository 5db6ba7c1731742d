"""The one error that a person sees: what is wrong, where, and how to fix it."""

from __future__ import annotations


class InputError(ValueError):
    """Something from outside (a file, an option, a bank, a checkpoint) cannot be used.

    Parameters
    ----------
    what : str
        What is wrong.
    where : str
        The file, column, position or field.
    hint : str
        What to do about it.
    """

    def __init__(self, what: str, where: str, hint: str) -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(" ".join(f"{what} ({where}): {hint}".split()))

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        """What it is made of again in another process: by default an exception is given its message alone."""
        return type(self), (self.what, self.where, self.hint)
