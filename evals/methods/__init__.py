"""Methods that APE is compared with, one a file, trained and scored alike."""

from ape.evals.methods import cut_add_paste, ncad
from ape.evals.methods.protocol import Method

METHODS: dict[str, Method] = {"CutAddPaste": cut_add_paste.METHOD, "NCAD": ncad.METHOD}

__all__ = ["METHODS", "Method"]
