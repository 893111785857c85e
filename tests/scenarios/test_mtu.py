"""A way that swallows what is longer than it says: found, avoided, and never answered with fragments."""

import threading
from collections.abc import Iterator

import pytest

from tests.scenarios import capture, classroom, scene, worlds
from tests.scenarios.scene import Scene

pytestmark = [scene.needs_root, pytest.mark.root]

HOLE_BYTES = 1400
"""Packets of the network above this vanish; a full one of the tunnel has 1464 with IPv4 outside."""
TRANSFER_BYTES = 6_000_000
UDP = 17


def narrow(small: Scene, one: str, other: str) -> None:
    """Make a black hole between two hosts."""
    for source, target in ((one, other), (other, one)):
        shape = small.stage.world.shape(source, target)
        assert shape is not None
        # At this rate a transfer lasts long enough to be in its middle when the hole opens.
        small.link(source, target, mtu_bytes=HOLE_BYTES, rate_bps=8_000_000.0, queue_s=0.2)


@pytest.fixture(scope="module")
def small() -> Iterator[Scene]:
    with scene.opened(worlds.ALL_WAYS) as made:
        made.found("one", "two")
        made.gate()
        made.relay("one")
        made.relay("two")
        made.join(made.issue("li"))
        with classroom.opened(made):
            yield made


def test_a_way_of_full_size_is_used_instead(small: Scene) -> None:
    small.until(lambda: small.carrying() == "relay one", "the quickest way carries")
    narrow(small, "student", "one")
    small.until(lambda: small.carrying() == "relay two", "the full way carries instead")
    assert small.mtu_of("relay one") < small.mtu_of("relay two")


def test_a_transfer_survives_a_hole_on_the_only_way(small: Scene) -> None:
    small.cut("student", "two")
    small.cut("student", "campus")
    for ends in (("student", "one"), ("one", "student")):
        small.link(*ends, rate_bps=8_000_000.0, queue_s=0.2)
    small.until(lambda: small.mtu_of("relay one") == 1376, "the way is whole again")
    small.until(lambda: small.carrying() == "relay one", "the only way carries")
    room = (small.address("classroom"), classroom.WEB_PORT)
    done: list[int] = []
    transfers = [
        threading.Thread(target=lambda act=act: done.append(act(small, TRANSFER_BYTES, room)))
        for act in (classroom.fetch, classroom.store)
    ]
    with capture.opened(small, "student") as seen:
        for transfer in transfers:
            transfer.start()
        small.until(lambda: small.received_by()["relay one"] > 1_000_000, "the transfer is on its way")
        narrow(small, "student", "one")
        for transfer in transfers:
            transfer.join()
    assert done == [TRANSFER_BYTES] * 2
    assert small.mtu_of("relay one") < 1376
    assert seen.dropped == 0
    outside = [packet for packet in seen.packets if packet[9] == UDP]
    # The hole was in the way of this transfer, and what got through at the end is smaller.
    assert max(map(len, outside)) > HOLE_BYTES
    assert max(map(len, outside[-200:])) <= HOLE_BYTES
    assert seen.fragments() == []
    # Nor may any router make fragments: every datagram of ours says so (DF).
    assert all(packet[6] & 0x40 for packet in outside)


def test_fragments_would_be_seen(small: Scene) -> None:
    with capture.opened(small, "student") as seen, small.udp("stranger") as one:
        one.sendto(bytes(3000), (small.address("student"), 9))
    assert len(seen.fragments()) >= 2
