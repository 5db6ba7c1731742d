"""The one error that a person sees: what is wrong, where, and how to mend it."""

from __future__ import annotations


class InputError(ValueError):
    """Something from outside (a file, an option, a bank, a checkpoint) cannot be used.

    Parameters
    ----------
    what : str
        What is wrong.
    where : str
        The file, column, position or field.
    mend : str
        What to do about it.
    """

    def __init__(self, what: str, where: str, mend: str) -> None:
        self.what, self.where, self.mend = what, where, mend
        super().__init__(" ".join(f"{what} ({where}): {mend}".split()))

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        """What it is made of again in another process: by default an exception is given its message alone."""
        return type(self), (self.what, self.where, self.mend)
