"""A join's status: put together, served on a socket of its owner, asked for."""

import asyncio
import math
import socket
from pathlib import Path

import pytest

from carnet.errors import MalformedDocumentError, NotRunningError
from carnet.facts import PathReading, PeerReading
from carnet.node.device import DeviceCounts
from carnet.node.status import JoinStatus, StatusServer, ask_all, snapshot
from carnet.node.undo import Journal
from carnet.tunnel import passes
from carnet.tunnel.config import PathConfig
from carnet.tunnel.judge import PathJudge
from carnet.tunnel.ways import Ways
from tests.tunnel.samples import DIRECTORY, NOW, pass_file


@pytest.fixture(autouse=True)
def own_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARNET_RUNTIME", str(tmp_path / "run"))
    return tmp_path / "run"


def status() -> JoinStatus:
    ways = Ways()
    ways.take(DIRECTORY)
    judge = PathJudge(PathConfig(), 0.0, initiates=True)
    reading = PeerReading(
        public_key=DIRECTORY.gateway_key,
        handshake_age_s=5.0,
        speaks_frames=True,
        paths=(
            PathReading(
                path=0,
                remote="192.0.2.1:1",
                heard_age_s=0.1,
                rtt_s=0.25,
                sent_bytes=150_000,
                received_bytes=150_000,
            ),
            PathReading(path=1, remote="192.0.2.2:1"),
        ),
    )
    judge.feed(reading, 0.1, 10)
    judge.plan(0.1)
    holding = passes.read(pass_file(), NOW)
    inside = DeviceCounts(received_bytes=100_000, received_packets=1, sent_bytes=100_000, sent_packets=1)
    return snapshot(holding, DIRECTORY, "carnet0", reading, judge, ways, inside, {"no-path": 2, "packets": 0})


def test_what_is_known_is_put_together() -> None:
    found = status()
    assert (found.campus, found.student, found.address, found.connected) == (
        "alpine",
        "li.wei",
        "10.78.0.2",
        True,
    )
    assert found.overhead == pytest.approx(0.5)
    assert found.dropped == {"no-path": 2}
    direct, relay = found.paths
    assert (direct.name, direct.carrying, direct.alive, direct.rtt_ms) == ("direct", True, True, 250.0)
    assert 3.5 < direct.mos_down < 4.5
    assert (relay.name, relay.carrying, relay.alive) == ("relay hong-kong", False, False)


def test_before_anything_is_heard_there_is_a_status_too() -> None:
    holding = passes.read(pass_file(), NOW)
    judge = PathJudge(PathConfig(), 0.0, initiates=True)
    found = snapshot(holding, DIRECTORY, "carnet0", None, judge, Ways(), DeviceCounts(), {})
    assert (found.connected, found.paths, found.overhead) == (False, (), None)
    assert not math.isinf(found.handshake_age_s)


def test_it_is_served_to_its_owner_and_gone_afterwards(tmp_path: Path, own_runtime: Path) -> None:
    async def dialogue() -> None:
        server = StatusServer("carnet0", Journal(tmp_path / "undo"), status)
        await server.start()
        (path,) = own_runtime.iterdir()
        assert path.stat().st_mode & 0o777 == 0o600
        assert await asyncio.to_thread(ask_all) == [status()]
        assert await asyncio.to_thread(ask_all, "carnet0") == [status()]
        with pytest.raises(NotRunningError, match="carnet1"):
            await asyncio.to_thread(ask_all, "carnet1")
        server.close()
        assert list(own_runtime.iterdir()) == []

    asyncio.run(dialogue())
    with pytest.raises(NotRunningError):
        ask_all()


def test_what_a_killed_join_left_is_swept(own_runtime: Path) -> None:
    own_runtime.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(own_runtime / "carnet0.1.sock"))
    with pytest.raises(NotRunningError):
        ask_all()
    assert list(own_runtime.iterdir()) == []


def test_an_answer_that_is_none_is_the_peers_fault(own_runtime: Path) -> None:
    own_runtime.mkdir()

    async def rude(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"{}")
        await writer.drain()
        writer.close()

    async def dialogue() -> None:
        server = await asyncio.start_unix_server(rude, own_runtime / "carnet0.1.sock")
        with pytest.raises(MalformedDocumentError):
            await asyncio.to_thread(ask_all)
        server.close()

    asyncio.run(dialogue())
