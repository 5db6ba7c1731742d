"""`InputError`: one line, and the same parts in another process."""

from __future__ import annotations

import copy

from ape.core.errors import InputError


def test_message_is_one_line():
    assert str(InputError("cannot\nread", "a.csv", "fix  it")) == "cannot read (a.csv): fix it"


def test_copy_keeps_type_and_parts():
    class MissingRuleError(InputError):
        pass

    error = copy.copy(MissingRuleError("what", "where", "hint"))
    assert type(error) is MissingRuleError and (error.what, error.where, error.hint) == ("what", "where", "hint")
