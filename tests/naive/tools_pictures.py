"""Coordinates in pictures, 0 to 1000 from the top left, as vision models use them."""

from __future__ import annotations

from ape.tools.render import ACROSS, BOTTOM, LEFT, UP


def horizontal(position, begin, end):
    """Coordinate of a time step in a picture whose axis runs from begin to end."""
    return 1000 * (LEFT + ACROSS * (position - begin) / (end - begin))


def vertical(value, limits):
    """Coordinate of a value in a picture of one axes with these limits."""
    low, high = limits
    return 1000 * (1 - BOTTOM - UP * (value - low) / (high - low))
