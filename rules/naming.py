"""Which channels of a series a rule names, also by their groups, and which of a wide series stand for them."""

from __future__ import annotations

from ape.rules.schema import Context, ContextualPrior, Rule
from ape.series.groups import WIDE

STUDIED, OF_A_GROUP = 12, 3  # channels of a wide series that a rule is studied on, and of one group among them


def named_channels(prior: ContextualPrior, context: Context) -> list[str]:
    """Return the channels that a prior names, itself or by their groups; empty if it names none."""
    if not prior.groups:
        return prior.channels
    members = [name for group in context.groups if group.name in prior.groups for name in group.channels]
    return list(dict.fromkeys([*prior.channels, *members]))


def channel_indices(prior: ContextualPrior, context: Context) -> list[int]:
    """Return the columns of the channels that the prior names, or all columns."""
    at = {channel.name: c for c, channel in enumerate(context.channels)}
    return [at[name] for name in named_channels(prior, context)] or list(range(len(at)))


def studied_channels(prior: ContextualPrior, context: Context) -> list[int]:
    """Return the columns that stand for the channels of a prior: of a wide series some, of others all.

    They are some of the named channels, evenly chosen; or else the first members of the largest groups, the
    representative first, lone channels, and further members.
    """
    named = channel_indices(prior, context)
    if len(context.channels) <= WIDE or len(named) <= STUDIED:
        return named
    if named_channels(prior, context):
        return [named[round(k * (len(named) - 1) / (STUDIED - 1))] for k in range(STUDIED)]
    at = {channel.name: c for c, channel in enumerate(context.channels)}
    members = [[at[name] for name in group.channels] for group in context.groups]
    grouped = {column for group in members for column in group}
    first = [column for group in members[: STUDIED // OF_A_GROUP] for column in group[:OF_A_GROUP]]
    alone = [column for column in named if column not in grouped]
    rest = [*(group[0] for group in members[STUDIED // OF_A_GROUP :]), *alone]
    more = [column for group in members for column in group[OF_A_GROUP:]]
    return sorted([*first, *rest, *more][:STUDIED])


def narrowed(rule: Rule, context: Context) -> tuple[Rule, Context, list[int]]:
    """Return a rule and a context of a wide series with the `studied_channels` alone, and their columns."""
    columns = _accompanied(studied_channels(rule.context, context), context)
    kept = [context.channels[column] for column in columns]
    names = {channel.name for channel in kept}
    groups = [
        group.model_copy(update={"channels": members, "representative": members[0]})
        for group in context.groups
        if len(members := [name for name in group.channels if name in names]) > 1
    ]
    channels = [
        channel.model_copy(update={"responses": [each for each in channel.responses if each.channel in names]})
        for channel in kept
    ]
    named = [name for name in named_channels(rule.context, context) if name in names]
    prior = rule.context.model_copy(update={"channels": named, "groups": []})
    narrow = context.model_copy(update={"channels": channels, "groups": groups})
    return rule.model_copy(update={"context": prior}), narrow, columns


def _accompanied(columns: list[int], context: Context) -> list[int]:
    """Give a single column another one, of its group if there is one, so that a relation can break."""
    if len(columns) > 1:
        return columns
    name = context.channels[columns[0]].name
    members = next((group.channels for group in context.groups if name in group.channels), [])
    others = [each.name for each in context.channels]
    other = next(each for each in (*members, *others) if each != name)
    return sorted([*columns, others.index(other)])
