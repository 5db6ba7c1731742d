"""Packed run folders: everything comes back when it is asked for, after a kill too."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ape.core.errors import InputError
from ape.runs.packing import PACKED, pack, unpack


def picture(width: int = 1024) -> bytes:
    pixels = np.full((512, width, 3), 255, dtype=np.uint8)
    pixels[250:254, :, 1:] = 0
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()


@pytest.fixture
def folder(tmp_path) -> Path:
    run = tmp_path / "run"
    (run / "artefacts").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    (run / "spans.jsonl").write_text("spans" * 1000)
    (run / "ledger.jsonl").write_text("ledger" * 1000)
    (run / "checkpoints.sqlite").write_bytes(bytes(50_000))
    (run / "artefacts/0123456789abcdef.json").write_text("result")
    (run / "artefacts/0123456789abcdef.png").write_bytes(picture())
    (run / "artefacts/0123456789abcdef.npy").write_bytes(bytes(1000))
    return run


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".png", ".npy"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_packed_folder_is_small_and_comes_back(folder):
    before = content(folder)
    pack(folder)
    assert sorted(path.name for path in folder.iterdir()) == [PACKED, "run.json"]
    assert (folder / PACKED).stat().st_size < 5_000
    unpack(folder)
    assert content(folder) == before and not (folder / PACKED).exists()
    back = np.asarray(Image.open(folder / "artefacts/0123456789abcdef.png").convert("RGB")).astype(int)
    assert back.shape == (320, 640, 3)
    assert back[150:165, :, 0].min() > 180 and back[155:161, :, 1].min(axis=0).max() < 90  # the red line is still there


def test_packing_again_changes_nothing(folder):
    pack(folder)
    first = (folder / PACKED).read_bytes()
    pack(folder)
    assert (folder / PACKED).read_bytes() == first


def test_pictures_that_stay_packed_are_not_encoded_again(folder):
    before = content(folder)
    pack(folder)
    with zipfile.ZipFile(folder / PACKED) as archive:
        first = archive.read("artefacts/0123456789abcdef.png.webp")
    unpack(folder, pictures=False)
    assert content(folder).items() >= before.items() and not list(folder.rglob("*.png"))
    (folder / "ledger.jsonl").write_text("longer ledger")
    pack(folder)
    with zipfile.ZipFile(folder / PACKED) as archive:
        assert archive.read("artefacts/0123456789abcdef.png.webp") == first
        assert sorted(archive.namelist()) == sorted(set(archive.namelist()))
    unpack(folder)
    assert content(folder) == before | {"ledger.jsonl": b"longer ledger"} and len(list(folder.rglob("*.png"))) == 1


def test_a_kill_while_packing_or_unpacking_loses_nothing(folder):
    before, copy = content(folder), shutil.copytree(folder, folder.with_name("copy"))
    pack(folder)
    (folder / "ledger.jsonl").write_bytes(before["ledger.jsonl"])  # not yet deleted, or unpacked already
    pack(folder)
    unpack(folder)
    assert content(folder) == before
    pack(copy)
    (copy / "spans.jsonl").write_bytes(before["spans.jsonl"])
    unpack(copy)
    assert content(copy) == before


def test_a_damaged_pack_is_refused(folder):
    pack(folder)
    damaged = (folder / PACKED).read_bytes()[:-30]
    (folder / PACKED).write_bytes(damaged)
    with pytest.raises(InputError, match="damaged"):
        unpack(folder)
    assert (folder / PACKED).read_bytes() == damaged


@pytest.mark.parametrize("name", ["run.json", "../outside", "artefacts/../run.json"])
def test_a_pack_with_other_files_is_refused(folder, name):
    with zipfile.ZipFile(folder / PACKED, "w") as archive:
        archive.writestr(name, "other")
    with pytest.raises(InputError, match="unknown entry"):
        unpack(folder)
    assert (folder / "run.json").read_text() == "{}"
