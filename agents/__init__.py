"""Planner, profiler, visual inspector and rule critic: prompts, structured outputs, and the chat model behind them."""

from ape.agents.brain import chat_model

__all__ = ["chat_model"]
