"""The URL of the checkpoints: refused in one line, which repeats nothing of it."""

from __future__ import annotations

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.runs.attempts import RetryPolicy
from ape.runs.batch import mine_item, mine_items
from ape.runs.folder import Request, Run
from ape.runs.postgres import VARIABLE, require_server
from ape.series import from_array

pytest.importorskip("psycopg")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ape:s3cret@localhost/ape",
        "ape:s3cret@localhost",
        "postgresql://ape:s3cret@and@localhost/ape",
        "postgresql://ape:s3/cret@localhost/ape",
        "postgresql://ape:1/s3cret@localhost/ape",
        "postgresql://ape:s3?cret@localhost/ape",
        "postgresql://ape:s3#cret@localhost/ape",
        "postgresql://ape:s3%zzcret@localhost/ape",
        "postgresql://ape:s3cret@localhost/ape?no=such",
        "postgresql://ape:s3cret@[localhost/ape",
    ],
)
def test_nothing_of_an_invalid_url_is_repeated(monkeypatch, url):
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(InputError, match=f"not the URL of a PostgreSQL server .{VARIABLE}.") as refused:
        require_server()
    assert "s3" not in str(refused.value) and "cret" not in str(refused.value)


def test_a_batch_is_refused_before_it_begins_if_the_server_is_away(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, "postgresql://ape:s3cret@127.0.0.1:1/ape")
    with pytest.raises(InputError, match=r"PostgreSQL cannot be used.*127\.0\.0\.1") as refused:
        mine_items({"a": Request("mine", "a.csv")}, tmp_path / "out")
    assert "s3cret" not in str(refused.value) and not (tmp_path / "out").exists()


def test_a_run_is_not_made_if_the_server_is_away(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, "postgresql://ape:s3cret@127.0.0.1:1/ape")
    with pytest.raises(InputError, match="PostgreSQL cannot be used"):
        Run.create(tmp_path / "run", Request("mine", "a.csv"), from_array(np.arange(200.0)))
    assert not (tmp_path / "run").exists()


def test_a_machine_without_the_url_refuses_its_item(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(InputError, match=f"{VARIABLE} is not set on this machine"):
        mine_item(tmp_path, {"a": Request("mine", "a.csv")}, RetryPolicy(), True, "a")
    assert not list(tmp_path.iterdir())
