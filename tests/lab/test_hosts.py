"""Hosts come up as the world says and leave nothing behind, whatever ends the lab."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from carnet.errors import NoRightsError, WorldError
from carnet.lab import hosts, userns
from carnet.lab.hosts import Hosts
from carnet.lab.world import Host

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        userns.needed() or not Path("/dev/net/tun").exists(),
        reason="needs root and /dev/net/tun to make hosts",
    ),
]

STUDENT = Host(name="student", role="student", addresses=["192.0.2.10", "2001:db8:1::10"])
CAMPUS = Host(name="campus", role="campus", addresses=["203.0.113.1"])

KILLED = """
import sys, time
from carnet.lab import hosts
from carnet.lab.world import Host
with hosts.opened() as made:
    made.add(Host(name="student", role="student", addresses=["192.0.2.10"]))
    import subprocess
    subprocess.Popen(made.command("student", "sleep", "1000"))
    print(made.namespace("student"), made.folder, flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def opened() -> Iterator[Hosts]:
    with hosts.opened() as made:
        yield made


def spaces() -> set[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in listed.splitlines() if line}


def test_an_interface_lives_as_long_as_its_descriptor(opened: Hosts) -> None:
    os.close(opened.add(STUDENT))
    os.close(opened.add(CAMPUS))
    with pytest.raises(WorldError, match="does not exist"):
        opened.run("student", "ip", "address", "show", "dev", "net0")


def test_interface_routes_and_mtu_are_the_world_s(opened: Hosts) -> None:
    descriptor = opened.add(STUDENT)
    try:
        shown = opened.run("student", "ip", "-o", "address", "show", "dev", hosts.INTERFACE)
        assert all(address in shown for address in STUDENT.addresses)
        assert "default dev net0" in opened.run("student", "ip", "route")
        assert "default dev net0" in opened.run("student", "ip", "-6", "route")
        assert f"mtu {hosts.MTU_BYTES}" in opened.run("student", "ip", "link", "show", "net0")
        opened.readdress("student", ["192.0.2.77"])
        moved = opened.run("student", "ip", "-o", "address", "show", "dev", "net0", "scope", "global")
        assert "192.0.2.77" in moved
        assert "192.0.2.10" not in moved
        assert "default dev net0" in opened.run("student", "ip", "route")
    finally:
        os.close(descriptor)


def test_a_host_has_files_of_its_own(opened: Hosts) -> None:
    os.close(opened.add(STUDENT))
    before = Path("/etc/resolv.conf").read_bytes()
    opened.run("student", "sh", "-c", "echo nameserver 10.0.0.1 >/etc/resolv.conf; touch /run/mine")
    assert Path("/etc/resolv.conf").read_bytes() == before
    assert not Path("/run/mine").exists()
    assert (opened.run_folder("student") / "mine").exists()


def test_a_command_that_fails_says_why(opened: Hosts) -> None:
    os.close(opened.add(STUDENT))
    with pytest.raises(WorldError, match="no such thing"):
        opened.run("student", "sh", "-c", "echo no such thing >&2; exit 1")


def test_nothing_is_left_behind() -> None:
    with hosts.opened() as made:
        os.close(made.add(STUDENT))
        name, folder = made.namespace("student"), made.folder
        assert name in spaces()
    assert name not in spaces()
    assert not folder.exists()


def test_what_a_killed_lab_left_is_removed_by_the_next_one() -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True) as lab:
        assert lab.stdout is not None
        name, folder = lab.stdout.readline().split()
        hosts.remove_leftovers()
        assert name in spaces(), "a lab that lives keeps its hosts"
        lab.send_signal(signal.SIGKILL)
    assert name in spaces(), "a killed lab could not clean up"
    assert Path(folder).exists()
    hosts.remove_leftovers()
    assert name not in spaces()
    assert not Path(folder).exists()
    assert not (Path("/run/carnet-lab") / f"{lab.pid}.lock").exists()


def test_without_rights_it_says_so() -> None:
    ask = "from carnet.lab import hosts; hosts.check_rights()"
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", ask]
    done = subprocess.run(powerless, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"{NoRightsError.__name__}: the lab needs root" in done.stderr
    # The control: with rights the same question is answered by silence.
    hosts.check_rights()


def test_labs_that_start_together_spare_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    another = [sys.executable, "-c", "from carnet.lab import hosts; hosts.remove_leftovers()"]
    lock = fcntl.flock

    def interrupted(file: IO[str], how: int) -> None:
        if how == fcntl.LOCK_EX:
            # The worst moment: another lab looks around just before ours is locked.
            subprocess.run(another, check=True)
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", interrupted)
    with hosts.opened() as made:
        os.close(made.add(STUDENT))
        subprocess.run(another, check=True)
        assert made.namespace("student") in spaces()
        assert made.folder.is_dir()
