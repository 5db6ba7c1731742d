"""Methods that APE is compared with, one per file. All are trained and scored in the same way."""

from ape.evals.methods import (
    bound_ad,
    caae,
    carla,
    couta,
    cut_add_paste,
    gen_ias,
    h_pad,
    ncad,
    paano,
    pama,
    pcrta,
    triplet_knowledge_base,
)
from ape.evals.methods.protocol import Method

METHODS: dict[str, Method] = {
    "CutAddPaste": cut_add_paste.METHOD,
    "NCAD": ncad.METHOD,
    "PAMA": pama.METHOD,
    "PCRTA": pcrta.METHOD,
    "PaAno": paano.METHOD,
    "COUTA": couta.METHOD,
    "CARLA": carla.METHOD,
    "GenIAS": gen_ias.METHOD,
    "H-PAD": h_pad.METHOD,
    "BoundAD": bound_ad.METHOD,
    "CAAE": caae.METHOD,
    "triplet knowledge base": triplet_knowledge_base.METHOD,
}

__all__ = ["METHODS", "Method"]
