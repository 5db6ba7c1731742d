"""Banks and series of which bytes or values were changed at random, with a fixed seed for each."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
from faults.calls import Done, call
from faults.damage import changed_json


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change, insert, remove, repeat or move some bytes."""
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        begin = chance.randrange(len(data) + 1)
        length = chance.choice((1, 1, 2, 8, 64, 512))
        part = data[begin : begin + length]
        new = chance.choice(
            (
                bytes(byte ^ 1 << chance.randrange(8) for byte in part),
                chance.randbytes(length),
                b"",
                part * chance.choice((2, 3, 50)),
                part + chance.choice(SNIPPETS),
                chance.choice(SNIPPETS),
            )
        )
        data = data[:begin] + new + data[begin + length :]
    return data


SNIPPETS = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"\r", b"\r\n", b",", b";", b"\t", b'"', b"'", b"nan", b"inf",
    b"1e999", b"-", b"9" * 400, b"9" * 5000, b"{", b"}", b"[" * 2000, b"null", b"true", b"\\u0000", b"\\ud800", b"-0",
    b"1_000", b"0x10", b"2024-13-45", b"1970-01-01", b"%s", b"../..", b" " * 100, b"\xe2\x80\xa8", b"1,5", b"#",
    "١٢٣".encode(),
)  # fmt: skip


def bank_case(number: int, text: str, path: Path) -> str:
    """Validate and show a changed bank; return what is wrong."""
    chance = random.Random(number)
    if number % 2:
        for _ in range(chance.choice((1, 1, 2, 4))):
            try:
                text = changed_json(text, chance)
            except (ValueError, IndexError):  # it is no JSON any more
                break
        path.write_text(text)
    else:
        path.write_bytes(mutated(text.encode(), chance))
    action = chance.choice(("validate", "show"))
    return judged(call(["bank", action, path, "--json"]))


def _csv(separator: str = ",") -> bytes:
    return _frame().to_csv(index=False, sep=separator).encode()


def _frame() -> pd.DataFrame:
    at = np.arange(300)
    noise = np.random.default_rng(0).standard_normal((300, 2)).round(3)
    times = pd.date_range("2024-02-28", periods=300, freq="15min")
    return pd.DataFrame({"time": times, "load": np.sin(at / 8) + noise[:, 0], "flow": 50 + noise[:, 1]})


def _npz() -> bytes:
    out = io.BytesIO()
    np.savez(out, values=_frame()[["load", "flow"]].to_numpy(), channels=np.array(["load", "flow"]), train_end=200)
    return out.getvalue()


def _written(write: Callable[[pa.Table, io.BytesIO], object]) -> bytes:
    out = io.BytesIO()
    write(pa.Table.from_pandas(_frame()), out)
    return out.getvalue()


SERIES: dict[str, Callable[[], bytes]] = {
    ".csv": _csv,
    "semicolon.csv": lambda: _csv(";"),
    ".txt": lambda: "\n".join(f"{value:.4f}" for value in _frame()["load"]).encode(),
    ".npz": _npz,
    ".parquet": lambda: _written(pyarrow.parquet.write_table),
    ".feather": lambda: _written(pyarrow.feather.write_feather),
    ".csv.gz": lambda: pa.compress(_csv(), "gzip", asbytes=True),
    "latin.csv": lambda: _csv().replace(b"flow", b"Temp \xb0C"),
    "utf16.csv": lambda: _csv().decode().encode("utf-16"),
}


def series_case(number: int, folder: Path) -> str:
    """Read a changed file of a series; return what is wrong."""
    chance = random.Random(number)
    names = list(SERIES)
    suffix = names[number % len(names)]
    path = folder / f"series{suffix}"
    path.write_bytes(mutated(SERIES[suffix](), chance))
    found = judged(call(["check", path, "--json"]))
    path.unlink()
    return found


def judged(done: Done) -> str:
    """Return what is wrong with the outcome of a command: it may succeed, or refuse in one short line."""
    if done.crash:
        return f"traceback: {done.crash.strip().splitlines()[-1][:200]}"
    if done.code == 0:
        try:
            json.loads(done.out)
        except ValueError:
            return f"no JSON: {done.out[:100]!r}"
        return ""
    one = done.err.count("\n") == 1 and done.err.startswith("ape: ") and len(done.err) < 1000
    return "" if done.code == 2 and one else f"code {done.code}: {done.err[:300]!r}"
