"""Class names through the tunnel, other names where they went before; IPv6 inside and outside."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.node.campus_net import CAMPUS, CORE, LAN, SERVER, STUDENT, School, internet, pings
from tests.node.places import inside, needs_root, run
from tests.node.programs import Program, eventually

pytestmark = [needs_root, pytest.mark.root]

ZOOM, ELSEWHERE = "170.114.52.2", "198.18.1.77"
NAME, SECOND_NAME = "us02web.zoom.us", "second.zoom.us"
# An address no range of the service's list holds: only the name opens it.
NAMED_ONLY = "9.9.9.9"
LOOK_UP = """
import socket, sys
try:
    print(sorted({a[4][0] for a in socket.getaddrinfo(sys.argv[1], 443, type=socket.SOCK_STREAM)}))
except OSError as error:
    print("none")
"""
TALK = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2) as s:
        print(s.recv(100).decode())
except OSError:
    print("nothing")
"""
HELLO = """
import socket
with socket.create_server(("::", 443), family=socket.AF_INET6, dualstack_ipv6=True) as s:
    print("ready", flush=True)
    while True:
        c, peer = s.accept()
        c.sendall(peer[0].removeprefix("::ffff:").encode())
        c.close()
"""


def look_up(name: str) -> str:
    return inside(STUDENT, sys.executable, "-c", LOOK_UP, name, timeout=60).stdout.strip()


def talk(address: str, port: int = 443) -> str:
    return inside(STUDENT, sys.executable, "-c", TALK, address, str(port)).stdout.strip()


@contextmanager
def resolv_conf(place: str, text: str) -> Iterator[Path]:
    """Give a namespace a resolv.conf of its own, as `ip netns exec` mounts it."""
    folder = Path("/etc/netns") / place
    folder.mkdir(parents=True)
    try:
        (folder / "resolv.conf").write_text(text)
        yield folder / "resolv.conf"
    finally:
        (folder / "resolv.conf").unlink()
        folder.rmdir()


@dataclass
class Named:
    """A campus with a service, and resolvers on both sides of the tunnel."""

    school: School
    conf: Path
    behind: Program
    outside: Program


@pytest.fixture
def named(tmp_path: Path) -> Iterator[Named]:
    with ExitStack() as stack:
        stack.enter_context(internet())
        conf = stack.enter_context(resolv_conf(STUDENT, "nameserver 198.18.1.1\n"))
        stack.enter_context(resolv_conf(CAMPUS, f"nameserver {LAN}.2\n"))
        for address in (ZOOM, NAMED_ONLY):
            run("ip", "-n", SERVER, "addr", "add", f"{address}/32", "dev", "lan")
            run("ip", "-n", CAMPUS, "route", "add", f"{address}/32", "via", f"{LAN}.2")
        run("ip", "-n", CORE, "addr", "add", f"{ELSEWHERE}/24", "dev", "net1")
        serve = [sys.executable, "-m", "tests.node.name_servers"]
        known = (f"{NAME}={ZOOM}", f"{SECOND_NAME}={NAMED_ONLY}", "evil.zoom.us=10.0.0.1")
        behind = Program(SERVER, *serve, f"{LAN}.2", *known, home=tmp_path)
        outside = Program(CORE, *serve, "198.18.1.1", f"example.com={ELSEWHERE}", home=tmp_path)
        web = Program(SERVER, sys.executable, "-c", HELLO, home=tmp_path)
        school = School(tmp_path)
        school.found("--service", "zoom")
        for program in (behind, outside, web, school.run_campus()):
            stack.callback(program.kill)
            program.until_ready()
        yield Named(school, conf, behind, outside)


def test_class_names_go_through_the_tunnel_and_others_do_not(named: Named) -> None:
    assert look_up(NAME) == "none"
    join = named.school.join(named.school.issue("li"))
    join.until_ready()
    # By the service's list, without a name.
    assert talk(ZOOM) == f"{LAN}.1"
    assert talk(ZOOM, 22) == "nothing"
    # By a name alone: before it is asked for, the address goes nowhere.
    assert talk(NAMED_ONLY) == "nothing"
    assert look_up(SECOND_NAME) == str([NAMED_ONLY])
    assert talk(NAMED_ONLY) == f"{LAN}.1"
    assert look_up("evil.zoom.us") == "none"
    assert look_up("example.com") == str([ELSEWHERE])
    behind, outside = named.behind.errors.read_text().split(), named.outside.errors.read_text().split()
    assert SECOND_NAME in behind
    assert "example.com" not in behind
    assert "example.com" in outside
    assert SECOND_NAME not in outside
    assert join.stop() == 0


def test_the_machines_resolver_comes_back_even_after_a_kill(named: Named) -> None:
    before = named.conf.read_text()
    file = named.school.issue("li")
    join = named.school.join(file)
    join.until_ready()
    join.kill()
    assert "127.78.0." in named.conf.read_text()
    join = named.school.join(file)
    join.until_ready()
    assert look_up("example.com") == str([ELSEWHERE])
    assert join.stop() == 0
    assert named.conf.read_text() == before
    assert look_up("example.com") == str([ELSEWHERE])


def test_the_machines_resolver_is_left_alone_when_asked(named: Named) -> None:
    before = named.conf.read_text()
    join = named.school.join(named.school.issue("li"), "--no-dns")
    join.until_ready()
    assert named.conf.read_text() == before
    assert talk(ZOOM) == f"{LAN}.1"
    assert join.stop() == 0


def test_ipv6_inside_and_outside(tmp_path: Path) -> None:
    with ExitStack() as stack:
        stack.enter_context(internet())
        for place, number in ((STUDENT, 1), (CAMPUS, 4)):
            for end, last in ((CORE, 1), (place, 2)):
                address = f"2001:db8:{number}::{last}/64"
                run("ip", "-n", end, "addr", "add", address, "dev", f"net{number}", "nodad")
            run("ip", "-6", "-n", place, "route", "add", "default", "via", f"2001:db8:{number}::1")
        inside(CORE, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        for place, last in ((CAMPUS, 1), (SERVER, 2)):
            run("ip", "-n", place, "addr", "add", f"2001:db8:aa::{last}/64", "dev", "lan", "nodad")
        run("ip", "-6", "-n", SERVER, "route", "add", "default", "via", "2001:db8:aa::1")
        # Only the campus knows the way to the server, and only IPv6 leads to the campus.
        inside(CORE, "nft", "add table inet cp; add chain inet cp f { type filter hook forward priority 0; }")
        inside(CORE, "nft", "add rule inet cp f meta nfproto ipv4 drop")
        web = Program(SERVER, sys.executable, "-c", HELLO, home=tmp_path)
        stack.callback(web.kill)
        web.until_ready()
        school = School(tmp_path)
        school.found("--allow", "2001:db8:aa::/64", endpoint="[2001:db8:4::2]:51820")
        campus = school.run_campus()
        stack.callback(campus.stop)
        campus.until_ready()
        join = school.join(school.issue("li"))
        stack.callback(join.stop)
        join.until_ready()
        assert pings("10.78.0.1")
        eventually(lambda: talk("2001:db8:aa::2") == "2001:db8:aa::1")
