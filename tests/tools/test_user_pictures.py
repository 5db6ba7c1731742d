"""Pictures that people bring along: read safely, shown to a brain that sees, admitted by one that does not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ape.cli.main import main
from ape.core.errors import InputError
from ape.tools.user_pictures import LONGEST_SIDE, PATCH, read_picture, user_picture_tools


@pytest.mark.parametrize(("size", "kept"), [((3000, 900), (1024, 320)), ((100, 70), (96, 64)), ((10, 10), (32, 32))])
@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_a_picture_fits_whole_patches(tmp_path, size, kept, form):
    Image.new("RGB", size, "red").save(tmp_path / "given", form)
    found = Image.open(io.BytesIO(read_picture(tmp_path / "given")))
    assert found.size == kept and max(found.size) <= LONGEST_SIDE and not any(side % PATCH for side in found.size)
    assert np.asarray(found)[5, 5, 0] > 250


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n cut off"])
def test_what_is_no_picture_is_refused_before_anything_is_made(tmp_path, content, capsys):
    path = tmp_path / "picture.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="cannot read the picture"):
        read_picture(path)
    np.savez(tmp_path / "wave.npz", values=np.sin(np.arange(600) / 5), train_end=400)
    assert main(["mine", str(tmp_path / "wave.npz"), "--image", str(path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "out").exists()


def test_nothing_but_the_pixels_is_kept(tmp_path):
    picture = Image.new("RGB", (64, 64), "blue")
    exif = picture.getexif()
    exif[0x010E] = "secret place"
    picture.save(tmp_path / "given.jpg", exif=exif)
    assert b"secret" in (tmp_path / "given.jpg").read_bytes()
    assert b"secret" not in read_picture(tmp_path / "given.jpg")


def test_there_is_no_tool_without_pictures():
    assert user_picture_tools(None, []) == []
