"""Optional packages that are missing or broken are one line."""

from __future__ import annotations

import pytest

from ape.core.errors import InputError
from ape.core.extras import require_extra


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Make packages that fail in these ways when they are imported."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(code: str) -> str:
        name = f"broken_{abs(hash(code))}"
        (tmp_path / f"{name}.py").write_text(code)
        return name

    return make


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import no_such_part", "lacks no_such_part"),
        ("raise ImportError('libcudart.so: cannot open\\nshared object')", "libcudart.so: cannot open shared object"),
        ("raise AttributeError('_ARRAY_API')", "cannot be imported: _ARRAY_API"),
        ("raise RuntimeError", "cannot be imported: RuntimeError"),
        ("this is no code", "cannot be imported"),
    ],
)
def test_a_package_that_is_there_and_fails(broken, code, says):
    with pytest.raises(InputError, match=says) as error:
        require_extra("export", [broken(code)], "an export", "ape export")
    assert "pip install" in error.value.hint and "\n" not in str(error.value)


def test_a_package_that_is_missing():
    with pytest.raises(InputError, match=r"an export needs the package no_such .*ape-tsad\[export\]"):
        require_extra("export", ["no_such"], "an export", "ape export")
