"""Export of what scores a series: ONNX graphs, a manifest, and a script that needs neither APE nor PyTorch."""

from ape.export.exporting import Exported, export, require_exportable

__all__ = ["Exported", "export", "require_exportable"]
