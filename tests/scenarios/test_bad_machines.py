"""Machines on which a node cannot run: it says why, with the status for it, and changes nothing."""

from collections.abc import Iterator, Sequence

import pytest

from tests.scenarios import machine, scene, worlds
from tests.scenarios.flow import PER_SECOND, Flow
from tests.scenarios.scene import INTERFACE, PORT, RELAY_PORT, Scene

pytestmark = [scene.needs_root, pytest.mark.root]

MISUSE, WORLD = 2, 4
DAY_S = 86_400


@pytest.fixture(scope="module")
def small() -> Iterator[Scene]:
    """A campus founded, nothing running."""
    with scene.opened(worlds.ALL_WAYS) as made:
        made.found("one")
        made.issue("li")
        yield made


def words_of(small: Scene, host: str) -> list[str]:
    """Return the command that serves on a host."""
    listen = f"{small.address('one')}:{RELAY_PORT}"
    commands = {
        "campus": ("campus", "run", str(small.campus)),
        "one": ("relay", "run", "--directory", str(small.directory), "--listen", listen),
        "student": ("join", str(small.home / "li.pass"), "--interface", INTERFACE),
    }
    return small.argv(host, *commands[host])


def refused(small: Scene, host: str, code: str, status: int = WORLD, wrapped_in: Sequence[str] = ()) -> None:
    """Run the command of a host: one line, its status and code, and the machine is as before."""
    before = machine.look(small, host)
    done = small.run(host, *wrapped_in, *words_of(small, host))
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert len(said) == 1, done.stderr
    assert said[0].startswith(f"{code}: ")
    assert machine.look(small, host) == before


def test_a_port_in_use(small: Scene) -> None:
    with small.udp("campus", PORT), small.udp("one", RELAY_PORT):
        refused(small, "campus", "port-in-use")
        refused(small, "one", "port-in-use")


@pytest.mark.parametrize("host", ["campus", "student"])
def test_no_rights(small: Scene, host: str) -> None:
    powerless = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-all")
    refused(small, host, "no-rights", wrapped_in=powerless)


HIDE = ("unshare", "--mount", "sh", "-c")
NO_FOLDER = 'mount -t tmpfs none /dev/net && exec "$@"'
NO_DEVICE = 'mount --bind /dev/null /dev/net/tun && exec "$@"'


@pytest.mark.parametrize("host", ["campus", "student"])
@pytest.mark.parametrize("hide", [NO_FOLDER, NO_DEVICE])
def test_no_tun(small: Scene, host: str, hide: str) -> None:
    refused(small, host, "no-tun", wrapped_in=(*HIDE, hide, "sh"))


@pytest.mark.parametrize(("host", "interface"), [("campus", "cn-lab"), ("student", INTERFACE)])
def test_an_interface_name_taken(small: Scene, host: str, interface: str) -> None:
    assert small.run(host, "ip", "tuntap", "add", "dev", interface, "mode", "tun").returncode == 0
    try:
        refused(small, host, "interface-taken")
    finally:
        assert small.run(host, "ip", "tuntap", "del", "dev", interface, "mode", "tun").returncode == 0


def test_a_name_nobody_may_give_an_interface(small: Scene) -> None:
    done = small.carnet("student", "join", str(small.home / "li.pass"), "--interface", "much-too-long-a-name")
    assert (done.returncode, done.stderr.split(":")[0]) == (MISUSE, "misuse")


def test_nobody_answers(small: Scene) -> None:
    refused(small, "student", "no-answer")


def test_two_of_one(small: Scene) -> None:
    gate = small.gate()
    join = small.join(small.home / "li.pass")
    refused(small, "campus", "already-running")
    refused(small, "student", "interface-taken")
    small.stop(join)
    small.stop(gate)


@scene.needs("faketime")
def test_clocks_that_jump_in_the_middle_of_a_class(small: Scene) -> None:
    clock = Clock(small)
    gate = small.serve("campus", "ready campus", *clock.faked, *words_of(small, "campus"))
    join = small.serve("student", "ready joined", *clock.faked, *words_of(small, "student"))
    with Flow(small) as flow:
        small.until(flow.flows, "the class begins")
        for jump in ("+3d", "-3d", "+2h", "+0"):
            since = flow.up.sent, flow.down.sent
            clock.jump(jump)
            flow.let_pass(1.0)
            small.until(flow.flows, f"the class goes on after {jump}")
            assert flow.up.longest_gap(since[0]) <= PER_SECOND // 5, jump
            assert flow.down.longest_gap(since[1]) <= PER_SECOND // 5, jump
        # Also with a handshake in between: silence on all ways makes the student call again.
        clock.jump("-3d")
        small.cut("student", "campus")
        flow.let_pass(3.0)
        small.mend("student", "campus")
        small.until(flow.flows, "the class resumes under another clock")
    for program in (join, gate):
        assert "Traceback" not in small.log(program)
        small.stop(program)


class Clock:
    """A wall clock for programs on hosts, which `jump` moves while they run."""

    def __init__(self, small: Scene) -> None:
        self._shift = small.home / "shift"
        self.jump("+0")
        self.faked = (
            "env",
            f"FAKETIME_TIMESTAMP_FILE={self._shift}",
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            "LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1",
        )
        self.jump("-3d")
        true, faked = (int(small.run("student", *how, "date", "+%s").stdout) for how in ((), self.faked))
        assert 2 * DAY_S < true - faked < 4 * DAY_S
        self.jump("+0")

    def jump(self, shift: str) -> None:
        """Move the clock; whole or not at all, since programs read it at any time."""
        new = self._shift.with_suffix(".new")
        new.write_text(f"{shift}\n")
        new.replace(self._shift)
