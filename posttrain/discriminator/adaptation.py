"""Post-training of the rule discriminator on one scenario, with the scenario's Rule Bank.

The three branches are windows of the training part as they are, mildly changed, and with a pseudo-anomaly of a rule.
Every point is contrasted with the prototypes of normal and of all rules (InfoNCE over points): points of the first two
branches and outside a mask belong to normal, points inside a mask to their rule. The first part of the training part
gives the references, the rest the windows, as when a later part is scored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ape.posttrain.discriminator.inputs import Usual, inputs, measure_usual, standardise
from ape.posttrain.discriminator.labels import share_of_change
from ape.posttrain.discriminator.network import DILATIONS, RuleDiscriminator
from ape.posttrain.discriminator.references import WINDOW, References, pooled
from ape.posttrain.discriminator.rules import BankDiscriminator, Question
from ape.posttrain.discriminator.scoring import AT_ONCE, standard_series, usable_factors
from ape.rules import RuleBank
from ape.rules.augment import augment

REFERENCED = 0.6  # share of the training part that gives the references
STRETCHES, NORMALS = 200, 64  # anomalies, seen at every factor; windows a factor in each of the normal branches
MOST_ROWS = 2000  # of the normal branches
HELD_OUT = 0.15  # share of the windows that no step sees
BATCH = 64  # rows in a step
SHARES = {"anomalies": 0.55, "bystanders": 0.1, "normal": 0.35}  # of a batch
HARD = 0.1  # share of the normal rows that are replayed, because the network is most wrong about them
CHECKS = 5
WARM_UP = 20  # steps
NOT_NAMED = -1e4  # log-odds of a rule at a channel that it does not name; finite for the sake of gradients


@dataclass(frozen=True)
class Recipe:
    """How to post-train.

    Parameters
    ----------
    steps : int
    rate : float
        Learning rate.
    frozen : int
        Blocks of the network that keep their weights, from the first; by default all, so that only prototypes and the
        last layer are trained.
    """

    steps: int = 150
    rate: float = 4e-3
    frozen: int = len(DILATIONS)


@dataclass(frozen=True)
class Rows:
    """Windows of single channels.

    Parameters
    ----------
    hidden : Tensor [N, width, 128]
        What the frozen blocks make of the inputs.
    channel, factor : Tensor, int64 [N]
        The factor as a place in the list of factors.
    rule : Tensor, int64 [N]
        -1 for the normal branches.
    share : Tensor [N, 128]
        How anomalous a cell is, 0 to 1.
    held_out : Tensor, bool [N]
    """

    hidden: Tensor
    channel: Tensor
    factor: Tensor
    rule: Tensor
    share: Tensor
    held_out: Tensor

    def take(self, pick: Tensor) -> Rows:
        """Return some rows."""
        return Rows(**{name: value[pick] for name, value in vars(self).items()})


def adapt(
    network: RuleDiscriminator,
    values: np.ndarray,
    bank: RuleBank,
    generator: torch.Generator,
    recipe: Recipe | None = None,
) -> tuple[BankDiscriminator, dict[str, Any]]:
    """Post-train a copy of the network with a bank.

    Parameters
    ----------
    network : RuleDiscriminator
    values : ndarray, float32 [n, C]
        The training part, data units.
    bank : RuleBank
    generator : torch.Generator
        On the CPU.
    recipe : Recipe, optional

    Returns
    -------
    model : BankDiscriminator
        With the weights of the check at which the loss on held-out rows was least; the first is before any step.
    report : dict
        ``curve``: step, loss on held-out rows, and the share of their normal points at which an anomaly is the more
        likely; ``kept``: the step that was kept.

    Raises
    ------
    EmptyBankError
        The bank has no rule that can be placed.
    """
    recipe = recipe or Recipe()
    model = BankDiscriminator(network, Question.of(bank))
    factors = usable_factors(len(values))
    if not factors or recipe.steps == 0:
        return model.eval(), {"curve": [], "kept": 0}
    rows = draw_rows(model, values, bank, factors, recipe.frozen, generator)
    return model, train(model, rows, factors, recipe, generator)


@torch.no_grad()
def draw_rows(
    model: BankDiscriminator,
    values: np.ndarray,
    bank: RuleBank,
    factors: list[int],
    frozen: int,
    generator: torch.Generator,
) -> Rows:
    """Draw the rows of the three branches at all factors."""
    device = model.moved.device
    standard = standard_series(values, len(values), bank.context, device)
    samples = torch.from_numpy(np.ascontiguousarray(values.T))  # [C, n]
    first = max(int(REFERENCED * len(values)), 2 * WINDOW * factors[-1])
    room = len(values) - first
    stretch = min(2 * WINDOW * factors[-1], room)
    starts = first + torch.randint(room - stretch + 1, (STRETCHES,), generator=generator)
    hosts = samples.unfold(1, stretch, 1)[:, starts].transpose(0, 1).contiguous()
    made = equally_weighted(bank).sample(hosts, generator, starts)
    residual, scale = (
        torch.tensor([getattr(channel, field) for channel in bank.context.channels])[:, None]
        for field in ("residual_scale", "scale")
    )
    share = share_of_change(made.pseudo, hosts, residual, scale)
    held_out = torch.arange(STRETCHES) < HELD_OUT * STRETCHES
    centre = torch.from_numpy(np.median(values, axis=0))
    parts = []
    for number, factor in enumerate(factors):
        window = WINDOW * factor
        references = References(pooled(standard[:, :, :first], factor), first // factor, factor)
        usual = measure_usual(standard[:, :, :first], references)
        crop = draw_crops(made.mask.any(1), window, generator)[:, None, None] + torch.arange(window)
        crop = crop.expand(-1, len(samples), -1)
        anomalous, labels = made.pseudo.gather(2, crop), share.gather(2, crop)
        at = first + torch.randint(room - window + 1, (NORMALS,), generator=generator)
        raw = samples.unfold(1, window, 1)[:, at].transpose(0, 1)
        normal = torch.cat([raw, augment(raw, generator, bank.context)])
        labels = torch.cat([labels, torch.zeros(2 * NORMALS, *labels.shape[1:])])
        labels = labels.unflatten(2, (WINDOW, factor)).amax(3)
        rule = torch.cat([made.rule_id, torch.full((2 * NORMALS,), -1)])
        held = torch.cat([held_out, (torch.arange(NORMALS) < HELD_OUT * NORMALS).repeat(2)])
        window_index, channel = chosen_rows(rule, labels, MOST_ROWS // len(factors), generator)
        standardised = standardise(torch.cat([anomalous, normal]), centre, scale[:, 0]).to(device)
        hidden = hidden_rows(model, standardised, references, usual, frozen, window_index, channel)
        part = Rows(
            hidden,
            channel,
            torch.full_like(channel, number),
            rule[window_index],
            labels[window_index, channel],
            held[window_index],
        )
        parts.append(Rows(**{name: value.to(device) for name, value in vars(part).items()}))
    return Rows(**{name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def equally_weighted(bank: RuleBank) -> RuleBank:
    """Return the bank with equal weights, so that a rule of small weight is not drowned."""
    return bank.model_copy(update={"rules": [rule.model_copy(update={"weight": 1.0}) for rule in bank.rules]})


def draw_crops(inside: Tensor, window: int, generator: torch.Generator) -> Tensor:
    """Draw a window that overlaps the anomaly in each stretch, int64 [B] starts, from where it is, bool [B, L]."""
    total = inside.shape[1]
    begin = inside.float().argmax(1)
    end = total - inside.flip(1).float().argmax(1)
    overlap = torch.minimum(end - begin, torch.tensor(max(1, window // 16)))
    low = (begin - window + overlap).clamp(min=0, max=total - window)
    high = (end - overlap).clamp(max=total - window).maximum(low)
    return (low + torch.rand(len(inside), generator=generator) * (high - low + 1)).long().minimum(high)


def chosen_rows(rule: Tensor, share: Tensor, most: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Choose windows and channels, int64 [N] each.

    Of an anomalous window all changed channels and one other are chosen, of the normal windows at most ``most``
    channels in all.
    """
    changed = share.amax(2) > 0
    key = torch.rand(changed.shape, generator=generator)
    other = one_hot(key.masked_fill(changed, -1).argmax(1), changed.shape[1]).bool() & ~changed
    anomalous = (rule >= 0)[:, None]
    normal = ~anomalous.expand_as(changed)
    normal = normal & (key <= most / max(1, int(normal.sum())))
    chosen = torch.nonzero((anomalous & (changed | other)) | normal)
    return chosen[:, 0], chosen[:, 1]


def hidden_rows(
    model: BankDiscriminator,
    standard: Tensor,
    references: References,
    usual: Usual,
    frozen: int,
    window: Tensor,
    channel: Tensor,
) -> Tensor:
    """Return what the frozen blocks make of some channels [N] of some windows [N] of standardised [B, C, L]."""
    length = references.cells.shape[2]
    at_once = max(1, AT_ONCE // (standard.shape[1] * length))
    allowed = torch.ones(1, length - WINDOW + 1, dtype=torch.bool, device=standard.device)
    parts = []
    for first in range(0, len(standard), at_once):
        some = standard[first : first + at_once]
        group = torch.zeros(len(some), dtype=torch.int64, device=standard.device)
        seen = inputs(some, references, usual, group, allowed.expand(len(some), -1))
        its = (window >= first) & (window < first + at_once)
        rows = seen[(window[its] - first).to(seen.device), channel[its].to(seen.device)]
        parts.append(model.network.shallow(rows, frozen))
    return torch.cat(parts)


def train(
    model: BankDiscriminator, rows: Rows, factors: list[int], recipe: Recipe, generator: torch.Generator
) -> dict[str, Any]:
    """Post-train in place; see `adapt`."""
    seen, judged = rows.take(~rows.held_out), rows.take(rows.held_out)
    network = model.network
    for module in (network.enter, *network.blocks[: recipe.frozen]):
        module.requires_grad_(False)
    free = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(free, lr=recipe.rate, weight_decay=0.0)

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / recipe.steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    balance = balanced(seen)
    judged_balance = balanced(judged)
    checks = {round(recipe.steps * i / CHECKS) for i in range(CHECKS + 1)}
    curve: list[list[float]] = []
    best, kept = math.inf, 0
    weights = balance
    for step in range(recipe.steps + 1):
        if step in checks:
            model.eval()
            value, evidence = judge(model, judged, judged_balance, factors, recipe.frozen)
            curve.append([step, round(value, 5), round(float((evidence > 0).float().mean()), 5)])
            if value < best:
                best, kept, state = value, step, {k: v.clone() for k, v in model.state_dict().items()}
            weights = replayed(model, seen, balance, factors, recipe.frozen)
            model.train()
        if step == recipe.steps:
            break
        pick = torch.multinomial(weights, BATCH, replacement=True, generator=generator)
        batch = seen.take(pick.to(seen.rule.device))
        loss = contrast(log_odds_of(model, batch, factors, recipe.frozen), batch).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(free, 1.0)
        optimiser.step()
        schedule.step()
    model.load_state_dict(state)
    model.eval()
    return {"curve": curve, "kept": kept}


def balanced(rows: Rows) -> Tensor:
    """Return the chance of each row to be drawn, [N] on the CPU: rules count equally, and so do branches."""
    changed = rows.share.amax(1) > 0
    groups = torch.where(rows.rule < 0, -1, torch.where(changed, rows.rule, -2)).cpu()
    rules = groups[groups >= 0].unique()
    weights = torch.zeros(len(groups))
    for group in groups.unique().tolist():
        kind = {-1: "normal", -2: "bystanders"}.get(group, "anomalies")
        its = groups == group
        weights[its] = SHARES[kind] / (len(rules) if group >= 0 else 1) / int(its.sum())
    return weights / weights.sum()


def log_odds_of(model: BankDiscriminator, rows: Rows, factors: list[int], frozen: int) -> Tensor:
    """Return the log-odds of all rules at rows, [N, R, 128]."""
    features = model.network.deep(rows.hidden, frozen)
    prototypes, bias = (torch.stack(part) for part in zip(*map(model.prototypes, factors), strict=True))
    odds = prototypes[rows.factor] @ features + bias[rows.factor][..., None]
    return odds.masked_fill(~model.channels.T[rows.channel][..., None], NOT_NAMED)


def contrast(odds: Tensor, rows: Rows) -> Tensor:
    """Return the contrastive loss of each row, [N]."""
    logits = torch.cat([torch.zeros_like(odds[:, :1]), odds], 1)
    target = one_hot(rows.rule + 1, logits.shape[1])[:, :, None] * rows.share[:, None]
    target[:, 0] = 1 - rows.share
    return -(target * logits.log_softmax(1)).sum(1).mean(1)


@torch.no_grad()
def judge(
    model: BankDiscriminator, rows: Rows, balance: Tensor, factors: list[int], frozen: int
) -> tuple[float, Tensor]:
    """Return the balanced loss on rows, and the evidence of all rules at the points of normal ones."""
    odds = torch.cat(
        [log_odds_of(model, rows.take(i), factors, frozen) for i in torch.arange(len(rows.rule)).split(256)]
    )
    loss = (contrast(odds, rows) * balance.to(odds.device)).sum()
    return float(loss), odds[rows.rule < 0].logsumexp(1).flatten()


@torch.no_grad()
def replayed(model: BankDiscriminator, rows: Rows, balance: Tensor, factors: list[int], frozen: int) -> Tensor:
    """Return chances in which half of the normal share goes to the rows with the most evidence of an anomaly."""
    normal = torch.nonzero(rows.rule < 0)[:, 0]
    evidence = torch.cat(
        [log_odds_of(model, rows.take(i), factors, frozen).logsumexp(1).amax(1) for i in normal.split(256)]
    )
    hard = normal[evidence.topk(max(1, round(HARD * len(normal)))).indices].cpu()
    weights = balance.clone()
    total = weights[normal.cpu()].sum()
    weights[normal.cpu()] *= 0.5
    weights[hard] += 0.5 * total / len(hard)
    return weights
