"""The rules on the desk as cards of the page, with fields and buttons that change them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from ape.agents.guide.answers import rule_text
from ape.cli.conversations import Place, open_session
from ape.cli.turns import act, escape
from ape.core.errors import InputError
from ape.runs.session import Card


def add_cards(root: Path, place: gr.BrowserState, changed: gr.State, turn: list[Any]) -> None:
    """Add a card for each rule on the desk; the cards are redrawn when ``changed`` changes."""

    @gr.render(inputs=[place, changed], triggers=[changed.change])
    def draw(place_value: Place, _changed: int) -> None:
        try:
            session = open_session(root, place_value)
            cards = session.cards() if session else []
        except InputError as error:
            gr.Markdown(escape(str(error)))
            return
        if not cards:
            gr.Markdown("No rules yet: say *mine*, or add one in words.")
        counted = {card.rule: card.summary["weight"] for card in cards if _counts(card.summary)}
        for card in cards:
            share = counted.get(card.rule, 0) / sum(counted.values()) if counted else 0
            _add_card(root, card, f" {share:.0%} of incidents." if share else "", place, turn)


def _counts(summary: dict[str, Any]) -> bool:
    """Whether a rule is one of those that incidents are expected to be like."""
    return summary["passes"] and not summary["benign"]


def _add_card(root: Path, card: Card, share: str, place: gr.BrowserState, turn: list[Any]) -> None:
    rule, summary = card.rule, card.summary
    name, _, text = escape(rule_text(summary)).partition(": ")
    with gr.Group(elem_classes="card"):
        gr.Markdown(f"**{name}**: {text}{share}", padding=True)
        gr.Image(str(card.picture), show_label=False, interactive=False, alt_text=f"examples of {rule}")
        with gr.Row():
            size = gr.Number(1.0, label="size times", minimum=0.05, maximum=20, min_width=60)
            length = gr.Number(1.0, label="length times", minimum=0.05, maximum=20, min_width=60)
            slow = gr.Checkbox(bool(summary["gradual"]), label="builds up slowly", min_width=60)
        with gr.Row():
            change, drop, why = (gr.Button(word, size="sm", min_width=60) for word in ("change", "drop", "why?"))

        def on_change(place: Place, size: float, length: float, slow: bool) -> Iterator[tuple[Any, ...]]:
            request = f"change {rule}: size times {size:g}, length times {length:g}, slow {slow}"
            arguments = {"rule_id": rule, "asked": request, "size": size, "length": length, "gradual": slow}
            yield from act(root, place, "change_rule", arguments, request)

        def on_drop(place: Place) -> Iterator[tuple[Any, ...]]:
            request = f"drop {rule}"
            yield from act(root, place, "drop_rule", {"rule_id": rule, "asked": request}, request)

        def on_why(place: Place) -> Iterator[tuple[Any, ...]]:
            yield from act(root, place, "why_rule", {"rule_id": rule}, f"why {rule}?")

        change.click(on_change, [place, size, length, slow], turn)
        drop.click(on_drop, place, turn)
        why.click(on_why, place, turn)
