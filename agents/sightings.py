"""Tie the inspector's sightings to the pictures that it was shown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ape.agents.records import Inspection

PICTURE_NUMBER = re.compile(r"\D*(\d{1,2})\D*")


def with_known_pictures(inspection: Inspection, shown: Sequence[str]) -> Inspection:
    """Return the inspection with the ids of shown pictures; sightings in pictures that were not shown are left out.

    Models shorten ids, put words around them, or count the pictures instead.

    Parameters
    ----------
    inspection : Inspection
    shown : sequence of str
        Artefact ids of the pictures, in order.
    """
    found = [(sighting, _picture(sighting.evidence, shown)) for sighting in inspection.sightings]
    known = [sighting.model_copy(update={"evidence": picture}) for sighting, picture in found if picture is not None]
    return inspection.model_copy(update={"sightings": known})


def _picture(given: str, shown: Sequence[str]) -> str | None:
    """Id of the picture that is meant, ``None`` if none was shown."""
    named = [picture for picture in shown if picture.removesuffix(".png") in given]
    if not named and len(given.strip()) > 3:
        named = [picture for picture in shown if picture.startswith(given.strip().removesuffix(".png").rstrip("."))]
    if not named and (number := PICTURE_NUMBER.fullmatch(given)):
        named = list(shown[int(number[1]) - 1 : int(number[1])]) if int(number[1]) else []
    return named[0] if named else shown[0] if len(shown) == 1 else None
