"""Our client and a stock WireGuard gateway (wireguard-go): frames stay off, and the class works."""

import time
from collections.abc import Iterator

import pytest

from carnet.lab.tunnels import gateway, wireguard
from carnet.seal.keys import key_text, new_signing_key, new_wireguard_key, verifying_key, wireguard_public
from carnet.tunnel import directory as directories
from carnet.tunnel import passes
from carnet.tunnel.directory import Directory, RelayEntry
from tests.scenarios import classroom, scene, worlds
from tests.scenarios.scene import Scene

pytestmark = [
    scene.needs_root,
    scene.needs("wireguard-go"),
    scene.needs("wg"),
    pytest.mark.root,
]

DAY_S = 86_400
GATEWAY = "10.79.0.1"


def write_papers(small: Scene, gateway_key: bytes, student_key: bytes) -> None:
    """Write a directory that names a stock gateway, and a pass for it: what its owner would sign."""
    signing, now = new_signing_key(), int(time.time())
    entry = Directory(
        campus="stock",
        version=1,
        issued=now,
        expires=now + DAY_S,
        signing_key=verifying_key(signing),
        gateway_key=wireguard_public(gateway_key),
        endpoint=f"{small.address('campus')}:{wireguard.PORT}",
        network="10.79.0.0/16",
        relays=(RelayEntry("one", f"{small.address('one')}:{scene.RELAY_PORT}", "", ""),),
        services=(),
        allow=(f"{small.address('classroom')}/32",),
    )
    document = directories.write(entry, signing)
    small.directory.write_bytes(document)
    signed = passes.Pass(
        campus="stock",
        signing_key=verifying_key(signing),
        student="li",
        public_key=wireguard_public(student_key),
        number=2,
        issued=now,
        expires=now + DAY_S,
    )
    (small.home / "li.pass").write_bytes(passes.write(signed, signing, document, student_key))


@pytest.fixture(params=["direct", "relay one"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def small(way: str) -> Iterator[Scene]:
    """A stock gateway and a student who joined, with one way between them."""
    ours, theirs = new_wireguard_key(), new_wireguard_key()
    with scene.opened(worlds.ALL_WAYS) as made:
        write_papers(made, ours, theirs)
        made.do(gateway.forward(made.stage, "wg0"))
        configuration = (
            f"[Interface]\nPrivateKey = {key_text(ours)}\nListenPort = {wireguard.PORT}\n"
            f"[Peer]\nPublicKey = {key_text(wireguard_public(theirs))}\nAllowedIPs = 10.79.0.2/32\n"
        )
        made.do(wireguard._end(made.stage, "campus", f"{GATEWAY}/16", configuration))
        made.relay("one")
        if way == "direct":
            made.cut("student", "one")
        else:
            made.cut("student", "campus")
        made.join(made.home / "li.pass")
        with classroom.opened(made):
            yield made


def test_a_class_by_a_stock_gateway(small: Scene, way: str) -> None:
    assert small.run("student", "ping", "-c", "3", "-i", "0.2", "-W", "5", GATEWAY).returncode == 0
    room = (small.address("classroom"), classroom.WEB_PORT)
    assert classroom.fetch(small, 300_000, room) == 300_000
    assert classroom.store(small, 300_000, room) == 300_000
    status = small.status()
    assert status["campus"] == "stock"
    assert status["connected"]
    assert status["received_bytes"] > 300_000
    by = small.received_by()
    assert max(by, key=lambda name: by[name]) == way
    # The gateway dropped nothing of ours for being no IP packet while the class ran.
    shown = small.run("campus", "wg", "show", "wg0", "transfer").stdout.split()
    assert int(shown[1]) > 300_000
