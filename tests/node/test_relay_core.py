"""The relay over loopback: what passes, what does not, what it tells of itself, how it ends."""

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from hashlib import blake2s

import pytest

from carnet import _carry
from carnet.errors import MisuseError, PortInUseError, WorldError

KEY = bytes(range(32))
OTHER = bytes(range(32, 64))
CLIENT_INDEX, CAMPUS_INDEX = 7, 99


def initiation(public_key: bytes = KEY) -> bytes:
    covered = struct.pack("<I I", 1, CLIENT_INDEX) + bytes(108)
    key = blake2s(b"mac1----" + public_key).digest()
    return covered + blake2s(covered, key=key, digest_size=16).digest() + bytes(16)


def response() -> bytes:
    return struct.pack("<I I I", 2, CAMPUS_INDEX, CLIENT_INDEX) + bytes(80)


def data(receiver: int, length: int = 32, filler: bytes = b"") -> bytes:
    return (struct.pack("<I I", 4, receiver) + filler).ljust(length, b"\0")


def udp(host: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.settimeout(5.0)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return made


def at(made: socket.socket) -> str:
    host, port = made.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@pytest.fixture
def campus() -> Iterator[socket.socket]:
    with udp() as made:
        yield made


@pytest.fixture
def relay(campus: socket.socket) -> Iterator[_carry.Relay]:
    made = _carry.Relay("[::]:0", [(KEY, at(campus))])
    yield made
    made.close()


def client_of(relay: _carry.Relay, host: str = "127.0.0.1") -> socket.socket:
    made = udp(host)
    made.connect((host, relay.port))
    return made


def shake(client: socket.socket, campus: socket.socket) -> tuple[str, int]:
    """Take a client through the handshake; return where the campus sees it."""
    client.send(initiation())
    seen: tuple[str, int]
    received, seen = campus.recvfrom(2048)
    assert received == initiation()
    campus.sendto(response(), seen)
    assert client.recv(2048) == response()
    client.send(data(CAMPUS_INDEX))
    assert campus.recv(2048) == data(CAMPUS_INDEX)
    return seen


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_session_passes_both_ways_unchanged(relay: _carry.Relay, campus: socket.socket, host: str) -> None:
    with client_of(relay, host) as client:
        seen = shake(client, campus)
        for length in (32, 96, 1_408):
            filler = os.urandom(length - 8)
            client.send(data(CAMPUS_INDEX, length, filler))
            assert campus.recv(2048) == data(CAMPUS_INDEX, length, filler)
            campus.sendto(data(CLIENT_INDEX, length, filler), seen)
            assert client.recv(2048) == data(CLIENT_INDEX, length, filler)


def test_many_sizes_in_a_rush_keep_their_order(relay: _carry.Relay, campus: socket.socket) -> None:
    with client_of(relay) as client:
        seen = shake(client, campus)
        lengths = [32 + 16 * (n * n % 80) for n in range(150)]
        for sender, receiver, index in ((client, campus, CAMPUS_INDEX), (campus, client, CLIENT_INDEX)):
            sent = [data(index, length, struct.pack("<I", n)) for n, length in enumerate(lengths)]
            for datagram in sent:
                sender.sendto(datagram, seen) if sender is campus else sender.send(datagram)
            assert [receiver.recv(2048) for _ in sent] == sent


def test_what_rings_wrongly_reaches_nobody_and_hears_nothing(
    relay: _carry.Relay, campus: socket.socket
) -> None:
    with client_of(relay) as stranger, client_of(relay) as student:
        for datagram in (initiation(OTHER), initiation()[:147], data(5), response(), b"hello"):
            stranger.send(datagram)
        # The control: datagrams of one socket are judged in order, and this one passes.
        student.send(initiation())
        assert campus.recv(2048) == initiation()
        stranger.settimeout(0.2)
        with pytest.raises(TimeoutError):
            stranger.recv(2048)
    counts = relay.counts()
    assert counts["admitted"] == 1
    refused = {name: counts[f"dropped_{name}"] for name in ("wrong_mac", "malformed", "stranger")}
    assert refused == {"wrong_mac": 1, "malformed": 2, "stranger": 2}


def test_a_forged_source_is_not_flooded(relay: _carry.Relay, campus: socket.socket) -> None:
    with client_of(relay) as victim:
        victim.send(initiation())
        _, seen = campus.recvfrom(2048)
        for datagram in (response(), *[data(CLIENT_INDEX, 1_408)] * 50):
            campus.sendto(datagram, seen)
        victim.settimeout(0.2)
        assert victim.recv(2048) == response()
        with pytest.raises(TimeoutError):
            victim.recv(2048)
        # The control: once it has shown that it reads the answers, all passes.
        victim.send(data(CAMPUS_INDEX))
        assert campus.recv(2048) == data(CAMPUS_INDEX)
        campus.sendto(data(CLIENT_INDEX, 1_408), seen)
        assert len(victim.recv(2048)) == 1_408
    assert relay.counts()["dropped_unearned"] == 50


def test_a_student_roams_without_a_new_handshake(relay: _carry.Relay, campus: socket.socket) -> None:
    with client_of(relay) as wifi, client_of(relay, "::1") as phone:
        before = shake(wifi, campus)
        phone.send(data(CAMPUS_INDEX, 64))
        received, after = campus.recvfrom(2048)
        assert (received, after != before) == (data(CAMPUS_INDEX, 64), True)
        campus.sendto(data(CLIENT_INDEX, 64), after)
        assert phone.recv(2048) == data(CLIENT_INDEX, 64)


def test_campuses_change_at_once(relay: _carry.Relay, campus: socket.socket) -> None:
    with client_of(relay) as client, client_of(relay) as late, udp() as moved, udp() as new:
        shake(client, campus)
        relay.set_campuses([(KEY, at(moved)), (OTHER, at(new))])
        client.send(data(CAMPUS_INDEX, 48))
        assert moved.recv(2048) == data(CAMPUS_INDEX, 48), "the flow follows its campus"
        late.send(initiation(OTHER))
        assert new.recv(2048) == initiation(OTHER)
        relay.set_campuses([(OTHER, at(new))])
        assert relay.counts()["flows"] == 1
        client.send(initiation())
        late.send(initiation(OTHER))
        assert new.recv(2048) == initiation(OTHER)
        assert relay.counts()["dropped_wrong_mac"] == 1


def test_a_campus_that_moves_to_another_family_is_reached_by_the_next_handshake(
    relay: _carry.Relay, campus: socket.socket
) -> None:
    with client_of(relay) as client, udp("::1") as moved:
        shake(client, campus)
        relay.set_campuses([(KEY, at(moved))])
        client.send(data(CAMPUS_INDEX, 48))
        client.send(initiation())
        assert moved.recv(2048) == initiation()
        assert relay.counts()["dropped_stranger"] == 1


def test_congestion_marks_pass(relay: _carry.Relay, campus: socket.socket) -> None:
    ect0 = 2
    campus.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    with client_of(relay) as client:
        shake(client, campus)
        for mark in (0, ect0):
            client.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, mark)
            client.send(data(CAMPUS_INDEX))
            _, ancillary, _, _ = campus.recvmsg(2048, 64)
            assert [value[0] & 3 for _, kind, value in ancillary if kind == socket.IP_TOS] == [mark]


def test_a_campus_that_restarts_is_reached_again(relay: _carry.Relay, campus: socket.socket) -> None:
    with client_of(relay) as client:
        shake(client, campus)
        address = campus.getsockname()
        campus.close()
        client.send(data(CAMPUS_INDEX))
        assert relay.counts()["flows"] == 1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind(address)
            again.settimeout(5.0)
            client.send(initiation())
            assert again.recv(2048) == initiation()


def test_faults_are_told_apart(campus: socket.socket) -> None:
    with pytest.raises(MisuseError, match="32 octets, this one 31"):
        _carry.Relay("127.0.0.1:0", [(KEY[:31], "127.0.0.1:9")])
    with pytest.raises(PortInUseError, match="cannot listen"):
        _carry.Relay(at(campus), [])
    with pytest.raises(WorldError, match="nowhere is not"):
        _carry.Relay("127.0.0.1:0", [(KEY, "nowhere")])
    relay = _carry.Relay("127.0.0.1:0", [])
    port = relay.port
    relay.close()
    relay.close()
    with pytest.raises(MisuseError, match="closed"):
        relay.counts()
    _carry.Relay(f"127.0.0.1:{port}", []).close()


def test_it_says_and_writes_nothing(campus: socket.socket) -> None:
    """Run one in a process of its own, with a student in it, and look at all it says and opens."""
    program = f"""
import os, sys
from carnet import _carry
relay = _carry.Relay("127.0.0.1:0", [(bytes({list(KEY)}), "{at(campus)}")])
print(relay.port, flush=True)
sys.stdin.readline()
links = [f"/proc/self/fd/{{number}}" for number in os.listdir("/proc/self/fd")]
files = [os.path.realpath(link) for link in links if os.path.exists(link)]
print([name for name in files if os.path.isfile(name)])
"""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with udp() as client:
            client.connect(("127.0.0.1", port))
            shake(client, campus)
            out, err = process.communicate("\n")
    assert (out, err) == ("[]\n", ""), "no file is open, and the address of nobody was told"
