"""Pictures supplied by the user."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ape.cli.main import main
from ape.core.errors import InputError
from ape.tools.user_pictures import LONGEST_SIDE, PATCH, read_picture, user_picture_tools


@pytest.mark.parametrize(("size", "scaled"), [((3000, 900), (1024, 320)), ((100, 70), (96, 64)), ((10, 10), (32, 32))])
@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_picture_is_scaled_to_whole_patches(tmp_path, size, scaled, form):
    Image.new("RGB", size, "red").save(tmp_path / "given", form)
    result = Image.open(io.BytesIO(read_picture(tmp_path / "given")))
    assert result.size == scaled and max(result.size) <= LONGEST_SIDE and not any(side % PATCH for side in result.size)
    assert np.asarray(result)[5, 5, 0] > 250


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n cut off"])
def test_invalid_picture_is_refused_before_the_run_folder_is_created(tmp_path, content, capsys):
    path = tmp_path / "picture.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="cannot read the picture"):
        read_picture(path)
    np.savez(tmp_path / "wave.npz", values=np.sin(np.arange(600) / 5), train_end=400)
    assert main(["mine", str(tmp_path / "wave.npz"), "--image", str(path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "out").exists()


def test_metadata_is_removed(tmp_path):
    picture = Image.new("RGB", (64, 64), "blue")
    exif = picture.getexif()
    exif[0x010E] = "secret place"
    picture.save(tmp_path / "given.jpg", exif=exif)
    assert b"secret" in (tmp_path / "given.jpg").read_bytes()
    assert b"secret" not in read_picture(tmp_path / "given.jpg")


def test_no_pictures_give_no_tool():
    assert user_picture_tools(None, []) == []
