"""Campus, relays and join together, over real wires between namespaces."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from carnet.seal import keys
from carnet.tunnel import directory as directories
from carnet.tunnel import passes
from carnet.tunnel.directory import DAY_S, Directory
from carnet.tunnel.passes import Pass
from tests.node.campus_net import (
    CAMPUS,
    ENDPOINT,
    GATEWAY,
    LAN,
    RELAYS,
    STUDENT,
    School,
    address,
    cut,
    internet,
    pings,
)
from tests.node.places import inside, needs_root, run
from tests.node.programs import CARNET, Program, carnet, eventually

pytestmark = [needs_root, pytest.mark.root]

BEHIND = f"{LAN}.2"
# wireguard-go has a socket for each interface name, and all namespaces share the directory of those.
STOCK = f"wg{os.getpid()}"


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    with internet():
        made = School(tmp_path)
        made.found("--allow", f"{LAN}.0/24")
        yield made


def machine(place: str) -> str:
    """Everything a node may change of a machine."""
    said = [
        inside(place, *command.split()).stdout
        for command in (
            "nft list ruleset",
            "ip -4 route",
            "ip -6 route",
            "ip -br link",
            "sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv6.conf.default.accept_ra",
        )
    ]
    return "\n".join(said)


def status(school: School) -> dict[str, Any]:
    environment = os.environ | {"CARNET_RUNTIME": str(school.home / STUDENT)}
    command = ["ip", "netns", "exec", STUDENT, *CARNET, "status", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found


def living(school: School) -> set[str]:
    return {path["name"] for path in status(school)["paths"] if path["alive"]}


def test_a_class_by_the_direct_way_and_by_relays(school: School) -> None:
    before = machine(CAMPUS), machine(STUDENT)
    school.add_relay("first")
    campus = school.run_campus()
    assert campus.until_ready() == f"ready campus alpine {ENDPOINT} tunnel {GATEWAY}"
    relay = school.run_relay("first")
    relay.until_ready()
    join = school.join(school.issue("li"))
    assert join.until_ready() == "ready joined alpine address 10.78.0.2 paths 2"
    assert pings(GATEWAY)
    assert pings(BEHIND)
    assert not pings("198.18.9.9")
    eventually(lambda: living(school) == {"direct", "relay first"})

    # The direct way dies: the relay carries.
    inside(CAMPUS, "nft", "add table inet cp; add chain inet cp in { type filter hook input priority -20; }")
    inside(CAMPUS, "nft", f"add rule inet cp in ip saddr {address(STUDENT)} drop")
    eventually(lambda: living(school) == {"relay first"})
    eventually(lambda: pings(BEHIND))
    inside(CAMPUS, "nft", "delete table inet cp")

    # A second relay comes while the class runs.
    school.add_relay("second")
    second = school.run_relay("second")
    second.until_ready()
    eventually(lambda: "relay second" in living(school))

    assert join.stop() == 0
    assert relay.stop() == second.stop() == 0
    assert campus.stop() == 0
    assert (machine(CAMPUS), machine(STUDENT)) == before
    for program in (relay, second):
        assert "198.18." not in program.errors.read_text()
        assert program.events()[0] == "ready"


def test_a_revoked_pass_stops_at_once_and_cannot_come_back(school: School) -> None:
    with ExitStack() as stack:
        campus = school.run_campus()
        stack.callback(campus.stop)
        campus.until_ready()
        file = school.issue("li")
        school.issue("other")
        join = school.join(file)
        join.until_ready()
        assert pings(GATEWAY)
        school.revoke("li")
        eventually(lambda: "student-removed" in campus.events())
        assert not pings(GATEWAY)
        assert join.stop() == 0

        again = school.join(file)
        assert again.wait() == 4
        assert again.errors.read_text().splitlines()[-1].startswith("no-answer: alpine did not answer")
        assert machine(STUDENT).count("carnet0") == 0

        other = school.join(school.home / "other.pass")
        other.until_ready()
        assert other.stop() == 0


def test_everything_comes_back_after_a_kill(school: School) -> None:
    before = machine(CAMPUS), machine(STUDENT)
    file = school.issue("li")
    campus = school.run_campus()
    campus.until_ready()
    join = school.join(file)
    join.until_ready()

    campus.kill()
    assert machine(CAMPUS) != before[0]
    campus = school.run_campus()
    campus.until_ready()
    assert "repaired" in campus.events()
    # The student's end calls the new campus by itself.
    eventually(lambda: pings(GATEWAY))

    join.kill()
    assert "carnet0" not in machine(STUDENT)
    join = school.join(file)
    join.until_ready()
    eventually(lambda: pings(GATEWAY))

    assert join.stop() == 0
    assert campus.stop() == 0
    assert (machine(CAMPUS), machine(STUDENT)) == before


def test_a_stock_client_by_the_direct_way_and_by_a_relay(school: School) -> None:
    school.add_relay("first")
    file = school.issue("phone")
    with ExitStack() as stack:
        for program in (school.run_campus(), school.run_relay("first")):
            stack.callback(program.stop)
            program.until_ready()
        for way in ([], ["--relay", "first"]):
            text = carnet("pass", "wireguard", str(file), *way, home=school.home)
            with stock_client(text, school.home):
                eventually(lambda: pings(GATEWAY))
                assert pings(BEHIND)
                shown = inside(STUDENT, "wg", "show", STOCK, "endpoints").stdout
                assert (address(RELAYS["first"]) in shown) == bool(way)


class StockEnd:
    """wireguard-go in a namespace with a configuration, set up by hand as wg-quick does."""

    def __init__(self, place: str, text: str, home: Path, *own: str, routes: Sequence[str] = ()) -> None:
        self._place, self._own, self._routes = place, own, routes
        self._file = home / "stock.conf"
        kept = [line for line in text.splitlines() if not line.startswith(("Address", "MTU", "DNS"))]
        self._file.write_text("\n".join(kept) + "\n")

    def __enter__(self) -> None:
        inside(self._place, "wireguard-go", STOCK)
        inside(self._place, "wg", "setconf", STOCK, str(self._file))
        for own in self._own:
            run("ip", "-n", self._place, "addr", "add", own, "dev", STOCK)
        run("ip", "-n", self._place, "link", "set", STOCK, "mtu", "1376", "up")
        for network in self._routes:
            run("ip", "-n", self._place, "route", "add", network, "dev", STOCK)

    def __exit__(self, *_: object) -> None:
        run("ip", "-n", self._place, "link", "del", STOCK, check=False)
        eventually(lambda: STOCK not in machine(self._place))


def stock_client(text: str, home: Path) -> StockEnd:
    found = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    routes = found["AllowedIPs"].split(", ")
    return StockEnd(STUDENT, text, home, *found["Address"].split(", "), routes=routes)


def test_the_machines_own_faults_are_said_and_nothing_is_changed(school: School) -> None:
    file = school.issue("li")
    before = machine(STUDENT)

    taken = school.join(file, "--interface", "net1")
    assert taken.wait() == 4
    assert taken.errors.read_text().startswith("interface-taken: ")

    command = ["setpriv", "--bounding-set=-net_admin", *CARNET, "join", str(file)]
    powerless = Program(STUDENT, *command, home=school.home)
    assert powerless.wait() == 4
    assert powerless.errors.read_text().startswith("no-rights: ")

    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"]
    without_tun = Program(STUDENT, *hidden, *CARNET, "join", str(file), home=school.home)
    assert without_tun.wait() == 4
    assert without_tun.errors.read_text().startswith("no-tun: ")
    assert machine(STUDENT) == before


def test_a_port_in_use_is_said(school: School) -> None:
    holder = (
        "import socket,time; s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM); "
        "s.bind(('::',51820)); print('ready',flush=True); time.sleep(60)"
    )
    other = Program(CAMPUS, "python3", "-c", holder, home=school.home)
    other.until_ready()
    before = machine(CAMPUS)
    campus = school.run_campus()
    assert campus.wait() == 4
    assert campus.errors.read_text().splitlines()[-1].startswith("port-in-use: ")
    assert machine(CAMPUS) == before
    other.kill()


def test_one_campus_runs_once(school: School) -> None:
    campus = school.run_campus()
    campus.until_ready()
    twin = school.run_campus()
    assert twin.wait() == 4
    assert twin.errors.read_text().startswith("already-running: ")
    assert campus.stop() == 0


def test_the_tunnel_survives_a_network_that_goes_and_comes(school: School) -> None:
    with ExitStack() as stack:
        campus = school.run_campus()
        stack.callback(campus.stop)
        campus.until_ready()
        join = school.join(school.issue("li"))
        stack.callback(join.stop)
        join.until_ready()
        assert pings(BEHIND)
        cut(STUDENT, whole=False)
        assert not pings(BEHIND)
        cut(STUDENT, whole=True)
        eventually(lambda: pings(BEHIND))


def test_endpoints_inside_an_allowed_range_stay_outside_the_tunnel(tmp_path: Path) -> None:
    with internet(), ExitStack() as stack:
        school = School(tmp_path)
        # The campus' own public network is also where its learning site is.
        school.found("--allow", "198.18.4.0/24", "--allow", f"{LAN}.0/24")
        campus = school.run_campus()
        stack.callback(campus.stop)
        campus.until_ready()
        before = machine(STUDENT)
        join = school.join(school.issue("li"))
        join.until_ready()
        eventually(lambda: pings(BEHIND))
        pinned = inside(STUDENT, "ip", "route", "get", "198.18.4.2").stdout
        assert "via 198.18.1.1" in pinned
        assert "dev carnet0" in inside(STUDENT, "ip", "route", "get", "198.18.4.9").stdout
        assert join.stop() == 0
        assert machine(STUDENT) == before


def test_a_stock_gateway_serves_our_client_without_frames(school: School) -> None:
    private, student = keys.new_wireguard_key(), keys.new_wireguard_key()
    signing = keys.new_signing_key()
    now = int(time.time())
    directory = Directory(
        campus="stock",
        version=1,
        issued=now,
        expires=now + DAY_S,
        signing_key=keys.verifying_key(signing),
        gateway_key=keys.wireguard_public(private),
        endpoint=ENDPOINT,
        network="10.78.0.0/16",
        relays=(),
        services=(),
        allow=(f"{LAN}.0/24",),
    )
    signed = Pass(
        campus="stock",
        signing_key=directory.signing_key,
        student="li",
        public_key=keys.wireguard_public(student),
        number=2,
        issued=now,
        expires=now + DAY_S,
    )
    file = school.home / "stock.pass"
    file.write_bytes(passes.write(signed, signing, directories.write(directory, signing), student))
    text = (
        f"[Interface]\nPrivateKey = {keys.key_text(private)}\nListenPort = 51820\n"
        f"[Peer]\nPublicKey = {keys.key_text(signed.public_key)}\nAllowedIPs = 10.78.0.2/32\n"
    )
    with StockEnd(CAMPUS, text, school.home, f"{GATEWAY}/16"):
        join = school.join(file)
        assert join.until_ready() == "ready joined stock address 10.78.0.2 paths 1"
        assert pings(GATEWAY)
        assert status(school)["connected"]
        # Long after it is clear that the other end says no hello.
        eventually(lambda: status(school)["handshake_age_s"] > 6)
        assert pings(GATEWAY)
        assert join.stop() == 0
