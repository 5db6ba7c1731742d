"""Rule records: validation messages."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ape.rules.schema import Parameter, Step


def test_unknown_parameter_is_refused_by_name():
    with pytest.raises(ValidationError, match="no parameter 'pace'"):
        Step(operator="time_compress", parameters=[Parameter(name="pace", low=1.2, high=2)])
