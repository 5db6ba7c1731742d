"""The conversations of the documentation: they can be read, and a short one has no paths of this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ape.evals.conversations.conversations import page_of, read_conversations
from ape.evals.conversations.server import DAY, DAYS, RUNAWAY, STUCK, TRAINING_DAYS, server_load


def test_server_has_its_faults_after_the_training_part_only():
    load = server_load()["load_pct"].to_numpy()
    assert len(load) == DAYS * DAY and min(RUNAWAY.start, STUCK.start) >= TRAINING_DAYS * DAY
    assert len(set(load[STUCK])) == 1 and load[RUNAWAY].mean() > load[RUNAWAY.start - 30 : RUNAWAY.start].mean() + 15


def test_three_conversations_are_listed_and_the_page_of_the_documentation_has_them():
    conversations = read_conversations()
    assert len({each.name for each in conversations}) == 3
    page = Path(__file__).parents[2] / "docs/results/conversations.md"
    if not page.is_file():
        pytest.skip("not a checkout")
    text = page.read_text(encoding="utf-8")
    for each in conversations:
        assert f"## {each.title}\n" in text and all(f"> **{says}**" in text for says in each.says)


def test_page_has_what_is_said_and_no_path_and_is_the_same_again():
    first = replace(read_conversations()[0], says=("show yesterday", "mine", "no", "sing a song"))
    page = page_of([first])
    assert "> **show yesterday**" in page and "(yes or no)" in page and "Cancelled, as you said." in page
    assert "I did not understand that" in page and "/tmp" not in page and page == page_of([first])
