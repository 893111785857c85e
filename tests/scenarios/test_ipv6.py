"""A class by IPv6 outside, and both families inside: directly and by a relay, never in fragments."""

import socket
from collections.abc import Iterator

import pytest

from tests.scenarios import capture, classroom, scene, worlds
from tests.scenarios.scene import Scene

pytestmark = [scene.needs_root, pytest.mark.root]

TCP, UDP = 6, 17


@pytest.fixture(scope="module")
def small() -> Iterator[Scene]:
    """A class in a world where campus and relay are known by their IPv6 addresses only."""
    with scene.opened(worlds.BOTH_FAMILIES) as made:
        made.outside = 6
        made.found("one")
        made.gate()
        made.relay("one")
        made.join(made.issue("li"))
        with classroom.opened(made):
            yield made


def versions(seen: capture.Capture, protocol: int) -> set[int]:
    """Return the versions of IP in which a protocol was seen."""
    found = set()
    for packet in seen.packets:
        version = packet[0] >> 4
        if packet[9 if version == 4 else 6] == protocol:
            found.add(version)
    return found


@pytest.mark.parametrize("way", ["relay one", "direct"])
def test_a_class_by_ipv6(small: Scene, way: str) -> None:
    cut, kept = ("campus", "one") if way == "relay one" else ("one", "campus")
    small.mend("student", kept)
    small.cut("student", cut)
    small.until(lambda: small.carrying() == way, f"{way} carries")
    received, sent = small.received_by()[way], small.sent_by()[way]
    with capture.opened(small, "student") as seen:
        for room in small.every_address("classroom"):
            assert classroom.fetch(small, 200_000, (room, classroom.WEB_PORT)) == 200_000
            assert classroom.store(small, 200_000, (room, classroom.WEB_PORT)) == 200_000
    fetched, stored = small.received_by()[way] - received, small.sent_by()[way] - sent
    assert fetched > 400_000
    assert stored > 400_000
    assert seen.dropped == 0
    assert seen.fragments() == []
    # What left the machine is IPv6, and inside there were both.
    assert versions(seen, UDP) == {6}
    assert versions(seen, TCP) == {4, 6}


def test_the_gateway_answers_inside_by_both(small: Scene) -> None:
    routes = small.run("student", "sh", "-c", "ip -4 route; ip -6 route").stdout
    inside = [line.split()[0] for line in routes.splitlines() if "proto 178" in line]
    families = {socket.AF_INET6 if ":" in address else socket.AF_INET for address in inside}
    assert families == {socket.AF_INET, socket.AF_INET6}
    gateways = [address for address in inside if address.startswith(("10.78.", "fd"))]
    assert len(gateways) == 2
    for gateway in gateways:
        assert small.run("student", "ping", "-c", "2", "-i", "0.2", "-W", "5", gateway).returncode == 0
