"""The gateway's rules: rendered, applied in a namespace, and really filtering."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from carnet.errors import MisuseError
from carnet.node import gateway
from carnet.node.gateway import Admitted, render, worth_admitting
from carnet.node.undo import Journal
from carnet.tunnel.service import Service
from tests.node.places import inside, namespaces, needs_root, place, run, wire
from tests.tunnel.samples import DIRECTORY

SCHOOL = Service("school", ("198.51.100.0/28",), ("udp/5004", "tcp/8000-8009"), ("*.school.example",))
CAMPUS = replace(DIRECTORY, services=(SCHOOL,), allow=("203.0.113.0/29",))
STUDENT, GATE, OUTSIDE = (place(name) for name in ("gs", "gg", "go"))
PROBE = """
import socket, sys
kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as s:
    s.settimeout(0.7)
    try:
        s.connect((host, port))
        if kind == "udp":
            s.send(b"?")
            print(s.recv(100).decode())
        else:
            print(s.recv(100).decode())
    except OSError:
        print("nothing")
"""
SERVE = """
import socket, sys, threading
def udp(port):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        s.bind(("::", port))
        while True:
            # The answer leaves from the address that was asked.
            _, asked, _, peer = s.recvmsg(100, 100)
            s.sendmsg([peer[0].removeprefix("::ffff:").encode()], asked, 0, peer)
def tcp(port):
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as s:
        while True:
            c, peer = s.accept()
            c.sendall(peer[0].removeprefix("::ffff:").encode())
            c.close()
for kind, port in ((udp, 5004), (udp, 5005), (udp, 53), (tcp, 8000), (tcp, 8010), (tcp, 7878), (tcp, 22)):
    threading.Thread(target=kind, args=(port,), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""


def everything(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, dict):
        for inner in value.values():
            yield from everything(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from everything(inner)


def test_rendering_is_pure_and_json() -> None:
    first = render(CAMPUS, "cn-alpine")
    assert json.loads(json.dumps(first)) == first
    assert first == render(CAMPUS, "cn-alpine")


def test_every_rule_but_the_first_names_the_interface() -> None:
    rules = [c["add"]["rule"] for c in render(CAMPUS, "cn-alpine")["nftables"] if "rule" in c.get("add", {})]
    assert len(rules) > 15
    assert all("cn-alpine" in list(everything(rule)) for rule in rules)


def test_each_chain_of_ours_ends_in_a_drop() -> None:
    rules = [c["add"]["rule"] for c in render(CAMPUS, "cn-alpine")["nftables"] if "rule" in c.get("add", {})]
    for chain in ("input", "forward"):
        assert [rule for rule in rules if rule["chain"] == chain][-1]["expr"][-1] == {"drop": None}


def test_names_fit_the_kernel() -> None:
    assert gateway.table_name("a-b") == "carnet_a_b"
    assert len(gateway.interface_name("a" * 31)) == 15


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "127.0.0.1", "192.168.1.1", "169.254.1.1", "::1", "fd00::1", "fe80::1", "224.0.0.1"],
)
def test_a_name_that_points_inside_is_not_opened(address: str) -> None:
    assert not worth_admitting(address)
    assert worth_admitting("170.114.0.1")


def test_rules_come_before_addresses(tmp_path: Path) -> None:
    with pytest.raises(MisuseError):
        gateway.Gateway("cn-alpine", Journal(tmp_path / "undo")).admit("school", ["170.114.0.1"], 60, 0.0)


@pytest.fixture(scope="module")
def gate() -> Iterator[None]:
    """A student's wire (it stands for the tunnel), a gateway with the rules, a world outside."""
    with namespaces(STUDENT, GATE, OUTSIDE):
        wire(STUDENT, GATE, left_address="10.78.0.2/16", right_address="10.78.0.1/16", name="cn-alpine")
        wire(GATE, OUTSIDE, left_address="198.51.100.1/24", right_address="198.51.100.2/24", name="out")
        network6 = CAMPUS.gateway_address6.removesuffix("1")
        for place, other, own, far in ((STUDENT, GATE, "2", "1"), (GATE, STUDENT, "1", "2")):
            run("ip", "-n", place, "addr", "add", f"{network6}{own}/64", "dev", "cn-alpine", "nodad")
            # A tunnel asks for no neighbour; this wire must not either.
            link = inside(other, "cat", "/sys/class/net/cn-alpine/address").stdout.strip()
            run("ip", "-n", place, "neigh", "add", f"{network6}{far}", "lladdr", link, "dev", "cn-alpine")
        for address in ("198.51.100.3/24", "198.51.100.77/24", "203.0.113.2/32", "170.114.0.1/32"):
            run("ip", "-n", OUTSIDE, "addr", "add", address, "dev", "out")
        for network in ("203.0.113.0/24", "170.114.0.0/16"):
            run("ip", "-n", GATE, "route", "add", network, "via", "198.51.100.2")
        run("ip", "-n", STUDENT, "route", "add", "default", "via", "10.78.0.1")
        inside(GATE, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        servers = []
        for place in (OUTSIDE, GATE, STUDENT):
            server = subprocess.Popen(
                ["ip", "netns", "exec", place, sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True
            )
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            servers.append(server)
        ruleset = render(CAMPUS, "cn-alpine", [(Admitted("school", "170.114.0.1", 0.0), 600)])
        apply(ruleset)
        yield
        for server in servers:
            server.kill()
            server.communicate()


def apply(ruleset: dict[str, Any]) -> None:
    subprocess.run(
        ["ip", "netns", "exec", GATE, "nft", "-j", "-f", "-"],
        input=json.dumps(ruleset),
        text=True,
        check=True,
        capture_output=True,
    )


def reaches(place: str, kind: str, host: str, port: int) -> str:
    return inside(place, sys.executable, "-c", PROBE, kind, host, str(port)).stdout.strip()


@needs_root
@pytest.mark.parametrize(
    ("kind", "host", "port"),
    [
        ("udp", "198.51.100.3", 5004),
        ("tcp", "198.51.100.3", 8000),
        ("udp", "170.114.0.1", 5004),
        ("tcp", "203.0.113.2", 22),
        ("udp", "203.0.113.2", 5005),
    ],
)
def test_class_services_pass_and_leave_with_the_gateways_address(
    gate: None, kind: str, host: str, port: int
) -> None:
    assert reaches(STUDENT, kind, host, port) == "198.51.100.1"


@needs_root
@pytest.mark.parametrize(
    ("kind", "host", "port"),
    [
        ("udp", "198.51.100.3", 5005),
        ("tcp", "198.51.100.3", 8010),
        ("tcp", "198.51.100.3", 22),
        ("udp", "198.51.100.77", 5004),
        ("tcp", "170.114.0.1", 22),
    ],
    ids=["port", "port", "port", "range", "port of a name"],
)
def test_everything_else_does_not(gate: None, kind: str, host: str, port: int) -> None:
    assert reaches(STUDENT, kind, host, port) == "nothing"
    assert reaches(GATE, kind, host, port) != "nothing"


@needs_root
def test_of_the_gateway_itself_only_names_directory_and_ping(gate: None) -> None:
    assert reaches(STUDENT, "udp", "10.78.0.1", 53) != "nothing"
    assert reaches(STUDENT, "tcp", "10.78.0.1", 7878) != "nothing"
    assert inside(STUDENT, "ping", "-c1", "-W1", "10.78.0.1", check=False).returncode == 0
    assert inside(STUDENT, "ping", "-6", "-c1", "-W1", CAMPUS.gateway_address6, check=False).returncode == 0
    for kind, host, port in (
        ("tcp", "10.78.0.1", 22),
        ("udp", "10.78.0.1", 5004),
        ("tcp", "198.51.100.1", 22),
    ):
        assert reaches(STUDENT, kind, host, port) == "nothing"
        assert reaches(GATE, kind, host, port) != "nothing"


@needs_root
def test_nobody_behind_the_gateway_calls_a_student(gate: None) -> None:
    run("ip", "-n", OUTSIDE, "route", "add", "10.78.0.0/16", "via", "198.51.100.1")
    assert reaches(OUTSIDE, "tcp", "10.78.0.2", 22) == "nothing"
    assert reaches(GATE, "tcp", "10.78.0.2", 22) != "nothing"


@needs_root
def test_segments_are_clamped_to_the_tunnel(gate: None) -> None:
    ruleset = inside(GATE, "nft", "list", "table", "inet", "carnet_alpine").stdout
    assert ruleset.count("maxseg size set rt mtu") == 2


IN_PLACE = """
import sys, time
from pathlib import Path
from carnet.node.gateway import Gateway
from carnet.node.undo import Journal
from tests.node.test_gateway import CAMPUS
from msgspec.structs import replace
from tests.node.places import run
journal = Journal(Path(sys.argv[1]))
gateway = Gateway("cn-alpine", journal)
gateway.apply(CAMPUS, 0.0)
gateway.admit("school", ["170.114.9.9", "10.0.0.9", "2606:4700::1"], 60, 0.0)
first = run("nft", "list", "table", "inet", "carnet_alpine").stdout
gateway.admit("school", ["170.114.9.9"], 9000, 1.0)
gateway.apply(replace(CAMPUS, version=8, allow=()), 10.0)
second = run("nft", "list", "table", "inet", "carnet_alpine").stdout
gateway.apply(replace(CAMPUS, version=9), 99999.0)
third = run("nft", "list", "table", "inet", "carnet_alpine").stdout
journal.undo()
print(first, "=====", second, "=====", third, "=====", run("nft", "list", "ruleset").stdout)
"""


@needs_root
def test_addresses_of_names_outlive_a_new_directory_until_their_time(tmp_path: Path) -> None:
    with namespaces(place("gp")):
        said = inside(place("gp"), sys.executable, "-c", IN_PLACE, str(tmp_path / "undo"))
    first, second, third, after = said.stdout.split("=====")
    assert "170.114.9.9 timeout 1h" in first
    assert "2606:4700::1 timeout 1h" in first
    assert "10.0.0.9" not in first
    assert "170.114.9.9 timeout 2h29m" in second
    assert "203.0.113.0/29" in first
    assert "203.0.113.0/29" not in second
    assert "170.114.9.9" not in third
    assert after.strip() == ""
    assert not (tmp_path / "undo").exists()
