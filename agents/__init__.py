"""The agents (planner, profiler, visual inspector, rule critic, guide): prompts, answers, and the model behind them."""

from ape.agents.brain import Brain, open_brain

__all__ = ["Brain", "open_brain"]
