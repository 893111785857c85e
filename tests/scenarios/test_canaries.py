"""A relay carries a class and sees none of it; without encryption the same search finds everything."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.scenarios import canaries, capture, classroom, forwarder, scene, worlds
from tests.scenarios.scene import Scene

pytestmark = [scene.needs_root, pytest.mark.root]

FORWARDED = 40_000
"""A forwarder's ports: this and the classroom's."""


@pytest.fixture(scope="module")
def small() -> Iterator[Scene]:
    """A class by relay `one`, the only way there is."""
    with scene.opened(worlds.RELAY_ONLY) as made:
        made.found("one", services=["zoom"])
        resolver = made.stage.hosts.folder / "campus" / "resolv.conf"
        resolver.write_text(f"nameserver {made.address('classroom')}\n")
        made.gate()
        made.relay("one")
        made.join(made.issue("li"))
        with classroom.opened(made):
            yield made


def stub(small: Scene) -> tuple[str, int]:
    """Return where the student's own machine asks for names while it is in the class."""
    words = small.run("student", "cat", "/etc/resolv.conf").stdout.split()
    return words[words.index("nameserver") + 1], classroom.NAME_PORT


def test_a_relay_sees_none_of_what_a_class_says(small: Scene) -> None:
    said = canaries.new()
    room = small.address("classroom")
    before = small.status()["received_bytes"]
    with capture.opened(small, "one") as seen:
        canaries.say_everything(
            small, said, stub(small), (room, classroom.WEB_PORT), (room, classroom.MEDIA_PORT)
        )
    assert seen.dropped == 0
    carried = sum(len(packet) for packet in seen.packets)
    # Both legs of what the class said are in the capture: the search was in the right place.
    assert carried > 2 * (small.status()["received_bytes"] - before) > 2 * 64 * 3 * 16
    assert canaries.seen(said, seen.packets + seen.streams()) == set()


@pytest.mark.parametrize("way", ["names", "web", "media"])
def test_the_same_search_finds_all_where_nothing_is_encrypted(small: Scene, way: str) -> None:
    said = canaries.new()
    room, relay = small.address("classroom"), small.address("one")
    names, web, media = classroom.NAME_PORT, classroom.WEB_PORT, classroom.MEDIA_PORT
    udp = {FORWARDED + port: (room, port) for port in (names, media)}
    with (
        forwarder.opened(small, "one", udp=udp, tcp={FORWARDED + web: (room, web)}),
        capture.opened(small, "one") as seen,
    ):
        if way == "names":
            canaries.say_names(small, said, (relay, FORWARDED + names))
        elif way == "web":
            canaries.say_web(small, said, (relay, FORWARDED + web))
        else:
            canaries.say_media(small, said, (relay, FORWARDED + media))
    assert seen.dropped == 0
    assert canaries.seen(said, seen.packets) == set(said)


def test_every_form_is_searched_for() -> None:
    said = canaries.new()
    for canary, other in pairwise(said):
        for form in canaries.forms(canary):
            text = b"x" * 7 + form + b"y" * 5
            assert canaries.seen([canary, other], [text]) == {canary}
