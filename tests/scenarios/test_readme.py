"""What the README shows is true; apart from the guides, because one process plays one world at a time."""

from pathlib import Path

import pytest

from tests.scenarios import scene, worlds
from tests.scenarios.documents import Reader

README = Path(__file__).resolve().parents[2] / "README.md"


@scene.needs_root
@pytest.mark.root
def test_the_readme_is_true() -> None:
    with scene.opened(worlds.ALL_WAYS) as made:
        assert Reader(made).follow(README.read_text("utf-8")) == 5
