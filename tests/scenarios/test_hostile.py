"""What others may throw at a class: rubbish, copies, chaos, giants, floods.  The class does not notice."""

import json
import random
import secrets
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from carnet.lab.programs import Program
from tests.scenarios import capture, scene, worlds
from tests.scenarios.flow import PER_SECOND, Flow
from tests.scenarios.scene import PORT, RELAY_PORT, Scene

pytestmark = [scene.needs_root, pytest.mark.root]

UDP = 17
FLOOD_PACKETS = 100_000
COPIES = 300


@dataclass
class Class:
    """A class by relay `one`."""

    scene: Scene
    gate: Program
    relay: Program
    join: Program


@pytest.fixture(scope="module")
def on() -> Iterator[Class]:
    with scene.opened(worlds.ALL_WAYS) as small:
        small.found("one")
        gate, relay = small.gate(), small.relay("one")
        yield Class(small, gate, relay, small.join(small.issue("li")))


def unharmed(on: Class, flow: Flow, since: Sequence[int]) -> None:
    """Check that nothing worth a word was lost since these numbers were sent."""
    on.scene.until(flow.flows, "the class goes on")
    assert flow.up.longest_gap(since[0]) <= PER_SECOND // 5
    assert flow.down.longest_gap(since[1]) <= PER_SECOND // 5
    for program in (on.gate, on.relay, on.join):
        assert program._running().returncode is None
        assert "Traceback" not in on.scene.log(program)


def rubbish() -> Iterator[bytes]:
    """Yield datagrams that are no WireGuard, nearly WireGuard, and WireGuard for nobody."""
    random.seed(7)
    for kind in range(1, 6):
        for length in (0, 1, 4, 16, 31, 32, 33, 64, 92, 147, 148, 149, 1400):
            yield bytes([kind, 0, 0, 0]).ljust(length, b"\0")[:length]
            yield (bytes([kind, 0, 0, 0]) + random.randbytes(length))[:length]
    for _ in range(300):
        yield random.randbytes(random.randrange(1400))


def payloads(packets: Sequence[bytes], port: int) -> list[bytes]:
    """Return the UDP payloads of captured IPv4 packets that went to a port."""
    found = [packet[(packet[0] & 15) * 4 :] for packet in packets if packet[9] == UDP]
    return [datagram[8:] for datagram in found if int.from_bytes(datagram[2:4], "big") == port]


def throw(one: socket.socket, datagrams: Sequence[bytes], target: tuple[str, int]) -> None:
    """Send everything to a target, no faster than a socket's buffer takes it."""
    for datagram in datagrams:
        one.sendto(datagram, target)


@pytest.mark.parametrize(("host", "port"), [("campus", PORT), ("one", RELAY_PORT)])
def test_what_a_stranger_throws_harms_no_class(on: Class, host: str, port: int) -> None:
    small = on.scene
    target = (small.address(host), port)
    with Flow(small) as flow, small.udp("stranger") as one:
        small.until(flow.flows, "the class begins")
        with capture.opened(small, host) as seen:
            flow.let_pass(1.5)
        real = payloads(seen.packets, port)
        assert len(real) > PER_SECOND
        since = flow.up.sent, flow.down.sent
        throw(one, list(rubbish()), target)
        # Copies of the class's own datagrams, in order, backwards, and with an octet changed.
        throw(one, real[:COPIES], target)
        throw(one, real[:COPIES][::-1], target)
        throw(one, [copy[:-1] + bytes([copy[-1] ^ 1]) for copy in real[:COPIES] if copy], target)
        # Longer than any link: these arrive in fragments, or not at all.
        throw(one, [secrets.token_bytes(length) for length in (2000, 9000, 65_000)], target)
        flow.let_pass(2.0)
        unharmed(on, flow, since)
        # Whoever throws hears nothing, not even that somebody listens.
        one.settimeout(0)
        with pytest.raises(BlockingIOError):
            one.recv(2048)


def test_the_students_own_port_counts_what_is_thrown_at_it(on: Class) -> None:
    small = on.scene
    with Flow(small) as flow, small.udp("stranger") as one:
        small.until(flow.flows, "the class begins")
        with capture.opened(small, "student") as seen:
            flow.let_pass(1.0)
        source = next(
            packet[20:22]
            for packet in seen.packets
            if packet[9] == UDP and packet[16:20] == _octets(small, "one")
        )
        target = (small.address("student"), int.from_bytes(source, "big"))
        real = payloads(seen.packets, target[1])
        assert len(real) > PER_SECOND // 2
        before = small.status()["dropped"]
        since = flow.up.sent, flow.down.sent
        throw(one, list(rubbish()), target)
        throw(one, real, target)
        throw(one, [copy[:-1] + bytes([copy[-1] ^ 1]) for copy in real], target)
        flow.let_pass(3.0)
        unharmed(on, flow, since)
        after = small.status()["dropped"]
    # A changed octet fails the check that comes after the window for copies, so both are counted as copies.
    for name, least in (("malformed", 100), ("replayed", len(real)), ("stranger", 1)):
        assert after.get(name, 0) - before.get(name, 0) >= least, (name, before, after)


def _octets(small: Scene, host: str) -> bytes:
    return bytes(map(int, small.address(host).split(".")))


def test_a_flood_from_the_student_fills_queues_and_nothing_else(on: Class) -> None:
    small = on.scene
    with small.udp("student") as one, small.udp("classroom", 5010):
        for _ in range(FLOOD_PACKETS):
            one.sendto(b"flood", (small.address("classroom"), 5010))
    with Flow(small) as flow:
        small.until(flow.flows, "the class goes on after the flood")
        since = flow.up.sent, flow.down.sent
        flow.let_pass(1.0)
        unharmed(on, flow, since)
    status = small.status()
    assert status["connected"]
    assert status["sent_bytes"] > 0


def test_the_relay_counted_what_it_refused(on: Class) -> None:
    on.scene.stop(on.relay)
    (stopped,) = [json.loads(line) for line in on.scene.log(on.relay).splitlines() if '"stopped"' in line]
    assert stopped["dropped_malformed"] > 100
    assert stopped["dropped_stranger"] > 0
    assert stopped["dropped_wrong_mac"] > 0
    assert stopped["to_campus_packets"] > PER_SECOND
