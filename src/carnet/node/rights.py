"""Giving up what the process no longer needs, and saying early what it lacks.

`cryptography` and SQLite need no rights; the tunnel needs CAP_NET_ADMIN, low ports
CAP_NET_BIND_SERVICE.  Threads made before a drop would keep theirs: drop first.
"""

import ctypes
import os
from pathlib import Path

from carnet.errors import InterfaceTakenError, MisuseError, NoRightsError, NoTunError
from carnet.node import device

# linux/capability.h and linux/prctl.h
CAP_DAC_OVERRIDE = 1
CAP_NET_BIND_SERVICE = 10
CAP_NET_ADMIN = 12
_CAP_LAST = 63
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
NOBODY = 65534


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Data(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def effective() -> int:
    """Return the bits of this process' effective capabilities."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def require_rights() -> None:
    """Refuse early where the machine's network may not be changed.  Raises NoRightsError."""
    if not effective() >> CAP_NET_ADMIN & 1:
        raise NoRightsError("making a tunnel needs CAP_NET_ADMIN: run this as root (sudo)")


def require_tunnel(interface: str) -> None:
    """Refuse early, with the reason, where no tunnel of that name can be made.

    Raises:
        NoTunError, InterfaceTakenError, MisuseError: as named.
    """
    if not 0 < len(interface.encode()) < 16 or "/" in interface or interface != interface.strip():
        raise MisuseError(f"{interface!r} is no interface name: use 1 to 15 letters and digits")
    if not Path("/dev/net/tun").exists():
        raise NoTunError(
            "this machine has no /dev/net/tun: load the tun module, or allow it in the container"
        )
    if device.exists(interface):
        raise InterfaceTakenError(f"interface {interface} exists: name another with --interface")


def keep_only(*capabilities: int) -> None:
    """Drop every other capability for good, and let no child regain any."""
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges()
    have = effective()
    for number in range(_CAP_LAST + 1):
        if number not in capabilities:
            # EINVAL past the kernel's last capability, EPERM without CAP_SETPCAP: nothing to drop.
            libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    keep = have & sum(1 << number for number in capabilities)
    header = _Header(_CAPABILITY_VERSION_3, 0)
    low, high = keep & 0xFFFFFFFF, keep >> 32
    data = (_Data * 2)(_Data(low, low, 0), _Data(high, high, 0))
    if libc.capset(ctypes.byref(header), ctypes.byref(data)) != 0:
        raise NoRightsError(f"capset: {os.strerror(ctypes.get_errno())}")


def no_new_privileges() -> None:
    """Make setuid programs powerless for this process and its children."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def become_nobody() -> None:
    """Leave root for the user `nobody`; quiet when not root, or where no such user is mapped."""
    if os.geteuid() != 0:
        return
    try:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    except OSError:
        # In a user namespace with one user there is no nobody, and root is nobody special.
        keep_only()
