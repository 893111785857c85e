"""What the README shows, from three fresh machines to a class."""

from pathlib import Path

import pytest

from tests.scenarios import classroom, documents, scene, worlds
from tests.scenarios.documents import Reader

README = Path(__file__).resolve().parents[2] / "README.md"


@scene.needs_root
@pytest.mark.root
def test_three_machines_in_three_commands_each() -> None:
    text = README.read_text("utf-8")
    with scene.opened(worlds.ALL_WAYS) as made, classroom.opened(made):
        one = Reader(made)
        assert one.follow(text) >= 3
        assert [line.split()[1] for line in one.said] == ["campus", "relay", "joined"]
        assert documents.promises(text) <= set(one.said)
        made.until(lambda: {"direct", "relay tokyo"} <= made.alive(), "both ways answer")
