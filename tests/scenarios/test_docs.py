"""What the documents show is true: their commands run, in order, on the machines they are for."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from carnet import errors
from tests.scenarios import classroom, documents, scene, worlds
from tests.scenarios.documents import Block, Reader
from tests.scenarios.scene import Scene

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [ROOT / "docs" / f"guide-{name}.md" for name in ("campus", "relay", "student")]
"""In the order in which a university does what they say: each builds on the one before."""

LAST = """\
grep -q relay1.example.net /etc/hosts
test "$(cat file)" = one -a "$CARNET_STATE" != "$(cat state)\""""

SAMPLE = f"""
# A sample

```sh campus
# A comment, and a right that is already there.
sudo echo one > file
sudo true && sudo echo "$CARNET_STATE" > state
```

It prints `ready to sleep` in the end, and `ready ...` elsewhere.

```sh relay serve
sh -c "echo ready to sleep; exec sleep 600"
```

```sh
exit 1
```

```ini
[Service]
ExecStart=false
```

```sh student
{LAST}
```
"""


def test_a_document_is_taken_apart() -> None:
    assert documents.blocks(SAMPLE) == [
        Block("campus", serves=False, script='echo one > file\ntrue && echo "$CARNET_STATE" > state'),
        Block("relay", serves=True, script='sh -c "echo ready to sleep; exec sleep 600"'),
        Block("student", serves=False, script=LAST),
    ]
    assert documents.promises(SAMPLE) == {"ready to sleep"}


@pytest.fixture(scope="module")
def small() -> Iterator[Scene]:
    """Three machines of people who read."""
    with scene.opened(worlds.ALL_WAYS) as made, classroom.opened(made):
        yield made


@pytest.fixture(scope="module")
def reader(small: Scene) -> Reader:
    """Somebody who reads the guides one after the other."""
    return Reader(small)


@scene.needs_root
@pytest.mark.root
def test_a_sample_is_followed(small: Scene) -> None:
    one = Reader(small)
    assert one.follow(SAMPLE) == 3
    assert one.said == ["ready to sleep"]


@scene.needs_root
@pytest.mark.root
@pytest.mark.parametrize("script", ["false", "true\nno-such-command\ntrue", "carnet pass list nowhere"])
def test_a_document_that_lies_is_found_out(reader: Reader, script: str) -> None:
    with pytest.raises(AssertionError):
        reader.follow(f"```sh student\n{script}\n```\n")


@scene.needs_root
@pytest.mark.root
@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_is_true(reader: Reader, guide: Path) -> None:
    text = guide.read_text("utf-8")
    assert reader.follow(text) > 0
    assert documents.promises(text) <= set(reader.said)


@scene.needs_root
@pytest.mark.root
def test_after_the_guides_a_class_is_on(small: Scene, reader: Reader) -> None:
    assert [line.split()[1] for line in reader.said] == ["campus", "relay", "joined"]
    assert classroom.fetch(small, 100_000, (small.address("classroom"), classroom.WEB_PORT)) == 100_000
    assert {"direct", "relay tokyo"} <= small.alive()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_codes_in_a_guide_exist(guide: Path) -> None:
    known = {
        kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.Error)
    }
    rows = re.findall(r"^\| (`[^|]*`) \|", guide.read_text("utf-8"), re.MULTILINE)
    named = {code for row in rows for code in re.findall(r"`([a-z-]+)`", row)}
    assert named <= known
