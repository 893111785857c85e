"""Rights are checked before anything is changed, and given up for good."""

import subprocess
import sys

import pytest

from carnet.errors import InterfaceTakenError, MisuseError
from carnet.node import device, rights
from tests.node.places import needs_root

DROP = """
import os, sys
from pathlib import Path
from carnet.node import rights
rights.keep_only(rights.CAP_NET_ADMIN)
print(rights.effective() == 1 << rights.CAP_NET_ADMIN)
status = dict(l.split(":\\t") for l in Path("/proc/self/status").read_text().splitlines() if ":\\t" in l)
print(int(status["CapBnd"], 16) == 1 << rights.CAP_NET_ADMIN, status["NoNewPrivs"])
try:
    os.chown("/proc/self", 1, 1)
    print("chown")
except PermissionError:
    print("refused")
child = os.popen("grep CapEff /proc/self/status").read().split()[1]
print(int(child, 16) == 1 << rights.CAP_NET_ADMIN)
"""
NOBODY = """
import os
from carnet.node import rights
rights.no_new_privileges()
rights.become_nobody()
print(os.geteuid(), os.getegid(), os.getgroups(), rights.effective())
"""


def run(script: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@needs_root
def test_what_is_not_kept_is_gone_for_children_too() -> None:
    assert run(DROP) == ["True", "True 1", "refused", "True"]


@needs_root
def test_nobody_has_nothing() -> None:
    assert run(NOBODY) == ["65534 65534 [] 0"]


@pytest.mark.parametrize("name", ["", "a" * 16, "a/b", " a"])
def test_no_interface_name(name: str) -> None:
    with pytest.raises(MisuseError):
        rights.require_tunnel(name)


@needs_root
def test_an_interface_that_exists_is_taken() -> None:
    with pytest.raises(InterfaceTakenError, match="--interface"):
        rights.require_tunnel("lo")
    rights.require_tunnel("cp-free0")


def test_the_kernel_counts() -> None:
    assert device.exists("lo")
    assert not device.exists("cp-none")
    assert device.counts("cp-none") == device.DeviceCounts()
    before = device.counts("lo")
    subprocess.run(["ping", "-c1", "127.0.0.1"], capture_output=True, check=False)
    assert device.counts("lo").sent_packets >= before.sent_packets
