"""The error for unusable input, which says what is wrong, where, and how to fix it; and a warning."""

from __future__ import annotations

from ape.core.redaction import redacted


class InputError(ValueError):
    """A file, option, bank or checkpoint cannot be used.

    The message is one line: ``what (where): hint``. It contains no secret that `ape.core.redaction` knows.

    Parameters
    ----------
    what : str
        What is wrong.
    where : str
        The file, column, position or field.
    hint : str
        How to fix it.
    """

    def __init__(self, what: str, where: str, hint: str) -> None:
        self.what, self.where, self.hint = redacted(what), redacted(where), redacted(hint)
        super().__init__(" ".join(f"{self.what} ({self.where}): {self.hint}".split()))

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        """Pickle the three parts: by default an exception is rebuilt from its message alone."""
        return type(self), (self.what, self.where, self.hint)


class EditedWarning(UserWarning):
    """A file was edited by hand after it was written, and is used as it is."""
