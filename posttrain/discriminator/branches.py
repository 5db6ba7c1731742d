"""The three branches of post-training: normal windows as they are, mildly changed, and with a pseudo-anomaly.

The first part of the normal part gives the references, the rest the windows, as when a later part is scored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ape.core.errors import InputError
from ape.posttrain.discriminator.benign import benign_windows
from ape.posttrain.discriminator.inputs import inputs, measure_usual, standardise
from ape.posttrain.discriminator.labels import share_of_change
from ape.posttrain.discriminator.normal import Normal
from ape.posttrain.discriminator.references import References
from ape.posttrain.discriminator.rules import BankDiscriminator
from ape.posttrain.negatives import Negatives
from ape.posttrain.normal_part import NormalPart
from ape.rules import RuleBank
from ape.rules.augment import augment
from ape.rules.schema import Context
from ape.series.windows import clip, joined, longest_window, sliding, starts

REFERENCED = 0.6  # share of the normal part that gives the references
STRETCHES, NORMALS = 200, 64  # anomalies, seen at every factor; windows a factor in each of the normal branches
MOST_ROWS = 2000  # of the normal branches
MOST_CHANNELS = 8  # of an anomalous window that are changed
HELD_OUT = 0.15  # share of the windows that no step sees
AT_ONCE = 1 << 21  # reference cells of all windows of a batch together
SHORTEST_OVERLAP = 16  # an anomaly covers at least one cell in this many of its window, if it is that long


@dataclass(frozen=True)
class Rows:
    """Windows of single channels.

    Parameters
    ----------
    hidden : Tensor [N, width, W]
        What the trunk makes of the inputs.
    further : Tensor [N, extra, W]
        Further inputs, from the backbone.
    window : Tensor, int64 [N]
        Place in `Branches.windows` of the factor.
    channel, factor : Tensor, int64 [N]
        The factor as a place in the list of factors.
    rule : Tensor, int64 [N]
        -1 for the normal branches.
    share : Tensor [N, W]
        How anomalous a cell is, 0 to 1.
    held_out : Tensor, bool [N]
    """

    hidden: Tensor
    further: Tensor
    window: Tensor
    channel: Tensor
    factor: Tensor
    rule: Tensor
    share: Tensor
    held_out: Tensor

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rule)

    def take(self, pick: Tensor) -> Rows:
        """Return some rows."""
        return Rows(**{name: value[pick] for name, value in vars(self).items()})

    @classmethod
    def joined(cls, parts: list[Rows]) -> Rows:
        """Return the rows of all parts."""
        return cls(**{name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])})


@dataclass(frozen=True)
class Branches:
    """Rows of all branches and factors, and the windows that they come from.

    Parameters
    ----------
    factors : list of int
    windows : list of Tensor [n, C, W * factor]
        Data units, by factor.
    rows : Rows
    """

    factors: list[int]
    windows: list[Tensor]
    rows: Rows


Further = Callable[[Tensor, int], Tensor]
"""Called as ``further(windows [B, C, W * factor], factor)``; returns inputs [B, C, extra, W]."""


@torch.no_grad()
def draw_branches(
    model: BankDiscriminator,
    further: Further,
    normal: NormalPart,
    bank: RuleBank,
    generator: torch.Generator,
    negatives: Negatives | None = None,
) -> Branches | None:
    """Draw the three branches at all factors.

    Windows lie in clean stretches of the normal part, after the references. All rules are drawn equally often, so that
    one of small weight is not drowned, and half of the time without what they say about the start and the direction.
    Each benign rule is a class of its own, and so are other anomalies next to them.

    Parameters
    ----------
    model : BankDiscriminator
        Its trunk is applied.
    further : callable
        What a backbone makes of windows.
    normal : NormalPart
    bank : RuleBank
    generator : torch.Generator
        On the CPU.
    negatives : callable, optional
        Replaces the bank as the third branch; all of it then belongs to the first rule.

    Returns
    -------
    Branches or None
        None if the normal part is too short.

    Raises
    ------
    EmptyBankError
        The bank has no rule that can be placed.
    """
    whole = Normal.of(normal.values, bank.context, normal.segments, ~normal.is_clean, model.moved.device)
    first = int(REFERENCED * len(whole.values))
    earlier = replace(
        whole, values=whole.values[:first], segments=clip(whole.segments, 0, first), suspicious=whole.suspicious[:first]
    )
    try:
        width, factors = earlier.scales()
    except InputError:
        return None
    room = clip(normal.clean, first, len(whole.values))
    stretch = min(2 * width * factors[-1], longest_window(room, 2) if room else 0)
    factors = [factor for factor in factors if width * factor <= stretch]
    if not factors:
        return None
    hosts, at = draw_windows(whole.values, starts(room, stretch), stretch, STRETCHES, generator)
    if negatives is None:
        pseudo, _, rule = _doubled(bank).sample(hosts, generator, at)
        rule = rule % len(bank.rules)
        if bank.benign:
            own, at = draw_windows(whole.values, starts(room, stretch), stretch, STRETCHES, generator)
            further_windows = benign_windows(bank, own, at, generator)
            hosts, pseudo, rule = map(torch.cat, zip((hosts, pseudo, rule), further_windows, strict=True))
    else:
        pseudo, rule = negatives(hosts, generator, at), torch.zeros(STRETCHES, dtype=torch.int64)
    share = _share(pseudo, hosts, bank.context)
    counts = (STRETCHES, len(rule) - STRETCHES, NORMALS, NORMALS)
    rule = torch.cat([rule, torch.full((2 * NORMALS,), -1)])
    held_out = torch.cat([torch.arange(count) < HELD_OUT * count for count in counts])
    windows, rows = [], []
    for number, factor in enumerate(factors):
        length = width * factor
        crop = draw_crops((pseudo != hosts).any(1), length, generator)[:, None, None] + torch.arange(length)
        crop = crop.expand(-1, hosts.shape[1], -1)
        raw, at = draw_windows(whole.values, starts(room, length), length, NORMALS, generator)
        mild = augment(raw, generator, bank.context, () if negatives is None else bank.benign, at)
        every = torch.cat([pseudo.gather(2, crop), raw, mild])
        labels = torch.cat([share.gather(2, crop), torch.zeros(2 * NORMALS, *crop.shape[1:])])
        labels = labels.unflatten(2, (width, factor)).amax(3)
        window, channel = chosen_rows(rule, labels, MOST_ROWS // len(factors), generator)
        labels, its_rule, held = labels[window, channel], rule[window], held_out[window]
        every, *chosen = (x.to(model.moved.device) for x in (every, window, channel, its_rule, labels, held))
        hidden = _hidden_rows(model, every, earlier, factor, width, *chosen[:2])
        windows.append(every)
        further_rows = further(every, factor)[chosen[0], chosen[1]]
        window, channel, *others = chosen
        rows.append(Rows(hidden, further_rows, window, channel, torch.full_like(channel, number), *others))
    return Branches(factors, windows, Rows.joined(rows))


def draw_windows(
    values: np.ndarray, every: np.ndarray, length: int, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw windows [count, C, length] at some of all starts, and return their starts, int64 [count]."""
    at = torch.from_numpy(every)[torch.randint(len(every), (count,), generator=generator)]
    return torch.from_numpy(np.ascontiguousarray(sliding(values, length)[at.numpy()])), at


def _share(pseudo: Tensor, hosts: Tensor, context: Context) -> Tensor:
    """Return how anomalous each sample is, [B, C, L], see `share_of_change`."""
    fields = ("residual_scale", "scale")
    sizes = (torch.tensor([getattr(channel, field) for channel in context.channels])[:, None] for field in fields)
    return share_of_change(pseudo, hosts, *sizes)


def _doubled(bank: RuleBank) -> RuleBank:
    """Return a bank of equal weights: all rules, then all again without their conditions and direction.

    What a text says about time and direction is often wrong, and few anomalies in few places are soon learnt by heart.
    """
    rules = [rule.model_copy(update={"weight": 1.0}) for rule in bank.rules]
    loose = [r.anywhere.model_copy(update={"scale": r.scale.model_copy(update={"direction": "either"})}) for r in rules]
    return bank.model_copy(update={"rules": rules + loose})


def draw_crops(inside: Tensor, window: int, generator: torch.Generator) -> Tensor:
    """Draw a window that overlaps the anomaly in each stretch, int64 [B] starts, from where it is, bool [B, L]."""
    total = inside.shape[1]
    begin = inside.float().argmax(1)
    end = total - inside.flip(1).float().argmax(1)
    overlap = torch.minimum(end - begin, torch.tensor(max(1, window // SHORTEST_OVERLAP)))
    low = (begin - window + overlap).clamp(min=0, max=total - window)
    high = (end - overlap).clamp(max=total - window).maximum(low)
    return (low + torch.rand(len(inside), generator=generator) * (high - low + 1)).long().minimum(high)


def chosen_rows(rule: Tensor, share: Tensor, most: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Choose windows and channels, int64 [N] each.

    Of an anomalous window up to eight changed channels and one other are chosen, of the normal windows at most ``most``
    channels in all.
    """
    changed = share.amax(2) > 0
    key = torch.rand(changed.shape, generator=generator)
    other = one_hot(key.masked_fill(changed, -1).argmax(1), changed.shape[1]).bool() & ~changed
    rank = key.masked_fill(~changed, -1).argsort(1, descending=True).argsort(1)
    changed = changed & (rank < MOST_CHANNELS)
    anomalous = (rule >= 0)[:, None]
    normal = ~anomalous.expand_as(changed)
    normal = normal & (key <= most / max(1, int(normal.sum())))
    chosen = torch.nonzero((anomalous & (changed | other)) | normal)
    return chosen[:, 0], chosen[:, 1]


def _hidden_rows(
    model: BankDiscriminator, windows: Tensor, normal: Normal, factor: int, width: int, window: Tensor, channel: Tensor
) -> Tensor:
    """Return what the trunk makes of some channels [N] of some windows [N] of [B, C, width * factor]."""
    cells = normal.cells(factor)[None]
    references = References(cells, cells.shape[2], factor, width)
    allowed = normal.places(factor, width)
    usual = measure_usual(normal.standard(joined(normal.values, normal.segments))[None], references, allowed)
    at_once = max(1, AT_ONCE // references.cells.numel())
    parts = []
    for first in range(0, len(windows), at_once):
        some = standardise(windows[first : first + at_once], normal.centre, normal.scale)
        group = torch.zeros(len(some), dtype=torch.int64, device=some.device)
        seen = inputs(some, references, usual, group, allowed[None].expand(len(some), -1))
        its = (window >= first) & (window < first + at_once)
        parts.append(model.network.trunk(seen[window[its] - first, channel[its]]))
    return torch.cat(parts)
