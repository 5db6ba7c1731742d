"""Planner, profiler, visual inspector and rule critic: prompts, structured outputs, and the chat model behind them."""

from ape.agents.brain import Brain, open_brain

__all__ = ["Brain", "open_brain"]
