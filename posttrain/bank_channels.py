"""Bring a Rule Bank to the channels and offsets of a series."""

from __future__ import annotations

from ape.core.errors import InputError
from ape.rules import RuleBank
from ape.rules.schema import ChannelContext
from ape.series import Series

LEVELS = ("quantile_low", "quantile_high", "limit_low", "limit_high")  # fields of a channel that have an offset


def bank_for(bank: RuleBank, series: Series) -> RuleBank:
    """Return a bank whose channels are in the order of a series, and relative to its offsets.

    Parameters
    ----------
    bank : RuleBank
    series : Series
        If one side only numbers its channels, they are matched by position.

    Raises
    ------
    InputError
        The bank is for other channels.
    """
    given = {channel.name: channel for channel in bank.context.channels}
    if len(given) != series.n_channels:
        raise InputError(
            f"the Rule Bank has {len(given)} channels, the series {series.n_channels}",
            series.name,
            "use the bank mined from this series",
        )
    if set(given) == set(series.channels):
        channels = [given[name] for name in series.channels]
    elif series.named:
        unknown = next(name for name in series.channels if name not in given)
        raise InputError(
            f"the Rule Bank does not know channel '{unknown}', only {', '.join(given)[:80]}",
            series.name,
            "use the bank mined from this series",
        )
    else:
        channels = bank.context.channels
    offsets = [0.0] * series.n_channels if series.offset is None else series.offset.tolist()
    moved = [_relative_to(channel, offset) for channel, offset in zip(channels, offsets, strict=True)]
    return bank.model_copy(update={"context": bank.context.model_copy(update={"channels": moved})})


def _relative_to(channel: ChannelContext, offset: float) -> ChannelContext:
    """Return the levels of a channel relative to another offset."""
    shift = channel.offset - offset
    if shift == 0:
        return channel
    levels = {name: getattr(channel, name) + shift for name in LEVELS}
    cuts = (channel.level_cuts[0] + shift, channel.level_cuts[1] + shift)
    return channel.model_copy(update={**levels, "level_cuts": cuts, "offset": offset})
