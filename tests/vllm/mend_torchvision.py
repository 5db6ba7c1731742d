"""Let a CUDA build of torchvision be imported beside a CPU build of torch, which vLLM's Qwen3-VL needs of it.

Its compiled operators cannot load, and then two schemas are missing at import; no processing of pictures calls them.
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
    mended = path.with_suffix(".new")  # a new file: installers may share the old one with their cache
    mended.write_text(source + SCHEMAS)
    mended.replace(path)
