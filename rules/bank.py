"""The Rule Bank: the rules of one scenario, stored as JSON. It is the contract between agents and post-training."""

from __future__ import annotations

import json
from operator import not_
from pathlib import Path
from typing import Any, Literal, Self

import torch
from pydantic import Field, model_validator

from ape.core.files import read_json, write_text
from ape.core.validation import validated
from ape.rules.sampling import Sample, draw_anomalies
from ape.rules.schema import Context, Record, Rule, SentenceUse


class RuleBank(Record):
    """The rules of one scenario, with the context needed to sample them.

    ``rules`` describe anomalies. ``benign`` describes, in the same form, what looks unusual and is normal, such as a
    nightly backup; `ape.rules.augment` makes normal windows of it. No id occurs twice, whatever the list.
    """

    schema_version: Literal[1] = 1
    scenario: str = Field(default="", max_length=2000)
    rules: list[Rule] = Field(default_factory=list, max_length=64)
    benign: list[Rule] = Field(
        default_factory=list,
        max_length=64,
        exclude_if=not_,
        description="unusual but normal behaviour, in the same form; left out of the JSON if there is none",
    )
    sentences: list[SentenceUse] = Field(
        default_factory=list,
        max_length=1000,
        exclude_if=not_,
        description="what mining made of each sentence of the text; left out of the JSON if there was none",
    )
    context: Context
    fingerprint: str = Field(default="", max_length=64, description="of the series that the bank was mined from")
    seed: int = 0
    ended: str = Field(default="", max_length=200, description="how mining ended")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [rule.id for rule in (*self.rules, *self.benign)]
        if len(set(ids)) != len(ids):
            msg = "two rules have the same id"
            raise ValueError(msg)
        known = {channel.name for channel in self.context.channels}
        groups = {group.name for group in self.context.groups}
        for field, rules in (("rules", self.rules), ("benign", self.benign)):
            for index, rule in enumerate(rules):
                if unknown := set(rule.context.channels) - known:
                    msg = f"{field}.{index}.context.channels names unknown channels {sorted(unknown)}"
                    raise ValueError(msg)
                if unknown := set(rule.context.groups) - groups:
                    listed = (
                        f"; there are {', '.join(sorted(groups))[:200]}" if groups else "; the series has no groups"
                    )
                    msg = f"{field}.{index}.context.groups names unknown groups {sorted(unknown)}{listed}"
                    raise ValueError(msg)
        return self

    @classmethod
    def load(cls, path: str | Path) -> RuleBank:
        """Read and validate a bank. Loading never executes code from the file.

        The bank of a run may be edited by hand: an `EditedWarning` then says so.

        Raises
        ------
        InputError
            Names the first invalid field.
        """
        obj = read_json(path, "Rule Bank", edited=True)
        return validated(cls, obj, "not a valid Rule Bank", path, "see 'ape bank schema'", root="bank")

    def to_json(self) -> str:
        """Return canonical JSON with numbers rounded to six significant digits, except for offsets."""
        return json.dumps(_rounded(self.model_dump(mode="json")), indent=1, ensure_ascii=False) + "\n"

    def save(self, path: str | Path) -> None:
        """Write `to_json` to ``path`` atomically."""
        write_text(path, self.to_json())

    def shares(self) -> dict[str, float]:
        """Return the expected share of all incidents of each rule, by its id."""
        total = sum(rule.weight for rule in self.rules)
        return {rule.id: rule.weight / total for rule in self.rules}

    def sample(self, windows: torch.Tensor, generator: torch.Generator, starts: torch.Tensor | None = None) -> Sample:
        """Give every host window one non-empty pseudo-anomaly. Rules are drawn by their weights.

        Parameters
        ----------
        windows : Tensor, float [B, C, L]
            Host windows in data units. They are not modified.
        generator : torch.Generator
            On the CPU. The same state gives the same anomalies.
        starts : Tensor, int64 [B], optional
            Positions of the windows in the series. Without them, rules with a prior on phase, hours or days
            are left out.

        Returns
        -------
        Sample
            Outside the mask the pseudo-anomaly equals its host bit for bit; inside, every value differs.

        Raises
        ------
        EmptyBankError
            No rule can be used.
        ValueError
            The windows have another number of channels than the bank's series.
        """
        where = self.scenario[:60] or "bank"
        return draw_anomalies(self.rules, self.context, windows, generator, starts, where=where)[0]


def _rounded(obj: Any) -> Any:
    if isinstance(obj, float):
        return float(f"{obj:.6g}")
    if isinstance(obj, dict):
        return {key: value if key == "offset" else _rounded(value) for key, value in obj.items()}
    if isinstance(obj, list):
        return [_rounded(value) for value in obj]
    return obj
