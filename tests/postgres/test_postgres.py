"""Batches with their checkpoints in a real PostgreSQL server, which is started here; workers and the server are killed.

``make test-postgres`` runs this.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.rules import RuleBank
from ape.runs import batch
from ape.runs.attempts import RetryPolicy
from ape.runs.batch import mine_items
from ape.runs.execution import Callbacks, execute
from ape.runs.folder import Request, Run
from ape.runs.fork import fork
from ape.runs.manifest import read_manifest
from ape.runs.postgres import VARIABLE, require_server
from ape.runs.trace import read_trace

psycopg = pytest.importorskip("psycopg")

USER, PASSWORD = "ape", "sEcr3t-w0rd"
DEFAULTS = Request("mine", "")
PATH = os.pathsep.join([os.environ["PATH"], *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))])
PROGRAMS = [shutil.which(name, path=PATH) for name in ("initdb", "postgres")]
DEADLINE = 200  # seconds


def account() -> pwd.struct_passwd | None:
    """The user who may run the server, which refuses root."""
    if os.geteuid():
        return pwd.getpwuid(os.geteuid())
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    return None


pytestmark = [
    pytest.mark.postgres,
    pytest.mark.extended,
    pytest.mark.timeout(900),
    pytest.mark.skipif("APE_POSTGRES" not in os.environ, reason="takes minutes: make test-postgres runs it"),
    pytest.mark.skipif(not all(PROGRAMS), reason="PostgreSQL is not installed: initdb and postgres are missing"),
    pytest.mark.skipif(account() is None, reason="PostgreSQL refuses root, and there is no user postgres or nobody"),
]


class Server:
    """A PostgreSQL server in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        user = account()
        self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        os.chown(folder, user.pw_uid, user.pw_gid)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        options = ["-U", USER, "--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--no-sync"]
        initdb = [PROGRAMS[0], "-D", str(folder / "data"), *options]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **self._as)
        self.start()

    def url(self, password: str = PASSWORD) -> str:
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}", "-k", str(self.folder)]
        command = [PROGRAMS[1], "-D", str(self.folder / "data"), *settings]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **self._as
            )
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")
                time.sleep(0.1)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGQUIT)  # at once, without a last checkpoint of its own
        self.process.wait()

    def ask(self, query: str) -> list[tuple]:
        with psycopg.connect(self.url()) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def server():
    with tempfile.TemporaryDirectory(prefix="ape-postgres-") as folder:
        running = Server(Path(folder))
        yield running
        running.stop()


@pytest.fixture
def in_postgres(server, monkeypatch):
    """The server, without checkpoints of earlier tests."""
    monkeypatch.setenv(VARIABLE, server.url())
    require_server()
    with psycopg.connect(server.url()) as connection:
        connection.execute("truncate checkpoints, checkpoint_blobs, checkpoint_writes")
    return server


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for k in range(3):
        random, steps = np.random.default_rng(k), np.arange(600)
        values = np.sin(2 * np.pi * steps / (20 + 5 * k)) + 0.1 * random.normal(size=len(steps))
        (folder / f"s{k}.csv").write_text("value\n" + "\n".join(f"{value:.4f}" for value in values))
    return folder


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory):
    """The banks of the same batch with SQLite, and nothing killed."""
    out = tmp_path_factory.mktemp("sqlite") / "out"
    assert mine_items(read_manifest(str(data), DEFAULTS), out) == {}
    return banks(out)


def banks(out: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in sorted(out.glob("items/*/bank.json"))}


def decisions(folder: Path) -> list[str]:
    path = folder / "ledger.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line)["decision"] for line in lines if line.endswith("\n")]


def check_batch(server: Server, out: Path, expected: dict[str, bytes]) -> None:
    """All items have the expected banks; their checkpoints were in PostgreSQL, and are packed in their folders now."""
    assert banks(out) == expected
    assert not list(out.rglob("*.sqlite*"))
    for folder in (out / "items").iterdir():
        assert json.loads((folder / "run.json").read_text())["thread"] is None
        assert "checkpoints.sqlite" in zipfile.ZipFile(folder / "packed.zip").namelist()
    assert (
        server.ask("select count(*) from checkpoints") == server.ask("select count(*) from checkpoint_writes") == [(0,)]
    )
    for path in out.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


def resumed(out: Path) -> list[str]:
    """The items whose mining was resumed: their last execution does not plan again."""
    last = {folder.name: read_trace(folder)[-1] for folder in (out / "items").iterdir()}
    return [name for name, root in last.items() if root.name == "run" and "plan" not in map(name_of, walk(root))]


def name_of(span) -> str:
    return span.name


def walk(span):
    yield span
    for child in span.children:
        yield from walk(child)


def test_a_killed_batch_resumes_from_its_checkpoints(in_postgres, data, expected, tmp_path):
    command = [sys.executable, "-m", "ape.cli.main", "batch", str(data), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + DEADLINE
    while sum(len(decisions(folder)) for folder in tmp_path.glob("out/items/s*")) < 6:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0 and PASSWORD not in outcome.stdout + outcome.stderr
    check_batch(in_postgres, tmp_path / "out", expected)
    assert resumed(tmp_path / "out")


mine_item = batch.mine_item


def dying(out: Path, requests: dict, policy: RetryPolicy, in_postgres: bool, name: str) -> dict:
    """Mine an item; the process that mines s1 is killed once, when it has measured a rule."""
    mark = out.parent / f"died-{name}"
    if name == "s1" and not mark.exists():

        def kill() -> None:
            while "measured" not in decisions(out / "items" / name):
                time.sleep(0.005)
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

        threading.Thread(target=kill, daemon=True).start()
    return mine_item(out, requests, policy, in_postgres, name)


@pytest.mark.parametrize("on_ray", [False, True])
def test_killed_workers_resume_from_their_checkpoints(in_postgres, data, expected, tmp_path, monkeypatch, on_ray):
    monkeypatch.setattr(batch, "mine_item", dying)
    requests = read_manifest(str(data), DEFAULTS)
    if on_ray:
        pytest.importorskip("ray")
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        cluster.add_node(num_cpus=1)
        try:
            failed = mine_items(requests, tmp_path / "out", ray=cluster.address)
        finally:
            cluster.shutdown()
    else:
        failed = mine_items(requests, tmp_path / "out")
    assert failed == {} and (tmp_path / "died-s1").exists()
    check_batch(in_postgres, tmp_path / "out", expected)
    assert "s1" in resumed(tmp_path / "out")


def test_a_run_resumes_after_the_server_was_away(in_postgres, data, expected, tmp_path):
    request = read_manifest(str(data), DEFAULTS)["s0"]
    run = Run.create(tmp_path / "run", request, request.load())

    def stop(agent: str, note: str) -> None:
        if agent == "rule critic" and in_postgres.process.poll() is None:
            in_postgres.stop()

    try:
        with pytest.raises(InputError, match="PostgreSQL cannot be used"):
            execute(run, Callbacks(stop))
    finally:
        in_postgres.start()
    execute(run)
    assert (tmp_path / "run" / "bank.json").read_bytes() == expected["s0"]


def test_a_run_in_postgres_is_forked_there(in_postgres, data, tmp_path, monkeypatch):
    request = read_manifest(str(data), DEFAULTS)["s0"]
    run = Run.create(tmp_path / "run", request, request.load())
    bank = execute(run).bank
    before = in_postgres.ask("select count(*) from checkpoints")
    with pytest.raises(InputError, match=r"give one of: 3 .propose., 6 .criticise.") as refused:
        fork(tmp_path / "run", 99, {bank.rules[0].id: "reject"}, tmp_path / "fork")
    last = re.findall(r"(\d+) .criticise.", str(refused.value))[-1]
    fork(tmp_path / "run", int(last), {bank.rules[0].id: "reject"}, tmp_path / "fork")
    forked = execute(Run.open(tmp_path / "fork")).bank
    assert bank.rules[0].id not in [rule.id for rule in forked.rules]
    assert in_postgres.ask("select count(*) from checkpoints") > before
    assert not list(tmp_path.rglob("*.sqlite*"))
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(InputError, match="the checkpoints of this run are in PostgreSQL"):
        execute(Run.open(tmp_path / "run"))


def test_checkpoints_that_were_moved_into_the_folder_can_be_forked_without_the_server(
    in_postgres, data, expected, tmp_path, monkeypatch
):
    assert mine_items({"s0": read_manifest(str(data), DEFAULTS)["s0"]}, tmp_path / "out") == {}
    monkeypatch.delenv(VARIABLE)
    item = tmp_path / "out/items/s0"
    assert execute(Run.open(item)).bank == RuleBank.load(item / "bank.json")
    with pytest.raises(InputError, match="give one of: 3 ") as refused:
        fork(item, 99, {"x": "reject"}, tmp_path / "fork")
    last = re.findall(r"(\d+) .criticise.", str(refused.value))[-1]
    rule = RuleBank.load(item / "bank.json").rules[0].id
    fork(item, int(last), {rule: "reject"}, tmp_path / "fork")
    assert rule not in [each.id for each in execute(Run.open(tmp_path / "fork")).bank.rules]


def test_many_workers_may_set_up_an_empty_database_at_once(in_postgres, monkeypatch):
    with psycopg.connect(in_postgres.url(), autocommit=True) as connection:
        connection.execute("create database empty")
    monkeypatch.setenv(VARIABLE, in_postgres.url().replace("/postgres", "/empty"))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: require_server(), range(8))) == [None] * 8


@pytest.mark.parametrize("url", ["wrong password", "no such database"])
def test_a_refused_connection_is_one_line_without_the_password(in_postgres, data, tmp_path, url):
    given = in_postgres.url("wr0ng-w0rd") if url == "wrong password" else in_postgres.url() + "x"
    command = [sys.executable, "-m", "ape.cli.main", "batch", str(data), "--out", str(tmp_path / "out")]
    outcome = subprocess.run(command, env=os.environ | {VARIABLE: given}, capture_output=True, text=True, check=False)
    assert outcome.returncode == 2 and len(outcome.stderr.splitlines()) == 1
    assert "PostgreSQL cannot be used" in outcome.stderr and VARIABLE in outcome.stderr
    assert "w0rd" not in outcome.stdout + outcome.stderr and not (tmp_path / "out").exists()
