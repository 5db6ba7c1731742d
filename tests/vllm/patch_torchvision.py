"""Patch torchvision so that its CUDA build can be imported beside a CPU build of torch, as vLLM's Qwen3-VL needs.

The compiled operators of torchvision cannot be loaded then, and two schemas are missing at import. Picture processing
does not call them.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

SCHEMAS = """

if not _has_ops():
    _missing = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _missing.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""

path = Path(sysconfig.get_paths()["purelib"], "torchvision", "extension.py")
source = path.read_text()
if SCHEMAS not in source:
    patched = path.with_suffix(".new")  # a new file, because installers may share the old one with their cache
    patched.write_text(source + SCHEMAS)
    patched.replace(path)
