"""Score a series that arrives in pieces. The result does not depend on how it is cut."""

from __future__ import annotations

import numpy as np

from ape.posttrain.discriminator.evidence import Evidence, Reader
from ape.posttrain.discriminator.normal import Normal


class Scoring:
    """Evidence of a series that arrives in pieces.

    Windows of several time scales start on a grid from the begin of each stretch without a gap. A point is final once
    all windows that cover it are complete. Results are the same bytes however the series is cut into pieces.

    Parameters
    ----------
    reader : Reader
    normal : Normal
        The training part.
    continues : bool
        Whether the series continues the training part without a gap.

    Attributes
    ----------
    window : int
        Cells in a window: 128, for short training parts 64 or 32.
    factors : list of int
        Samples in a cell, one for each time scale.
    latency : int
        A point is final at the latest after so many further samples.

    Raises
    ------
    InputError
        The training part is too short.
    """

    def __init__(self, reader: Reader, normal: Normal, continues: bool) -> None:
        self.reader, self.normal, self.continues = reader, normal, continues
        self.window, self.factors = normal.scales()
        self.latency = self.window * self.factors[-1]

    def trained(self) -> tuple[Evidence, Evidence]:
        """Return the evidence of the training part itself.

        Returns
        -------
        final : Evidence
            Of all n samples of the training part, in order; NaN where no window fits.
        provisional : Evidence
            Of the points before a number of places of the training part, as if the series ended there; to calibrate
            provisional scores by age. `Evidence.time` says which points they are.
        """
        raise NotImplementedError

    def add(self, values: np.ndarray, gap: bool = False) -> Evidence:
        """Append values [m, C] in data units and return the evidence of the points that became final, in order.

        With ``gap``, some samples are missing before the values. The points before the gap that are not final yet are
        returned first, with their age, since nothing more can be said of them.
        """
        raise NotImplementedError

    def newest(self) -> Evidence:
        """Return the provisional evidence of the points that are not final, in order, with their ages."""
        raise NotImplementedError
