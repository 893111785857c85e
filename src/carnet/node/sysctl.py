"""Kernel settings under /proc/sys, each noted before it is changed."""

from pathlib import Path

from carnet.errors import GatewayError
from carnet.node.undo import Journal

ROOT = Path("/proc/sys")


def set_noted(journal: Journal, path: str, value: str) -> None:
    """Set `path` (like net/ipv4/ip_forward) to `value`, so that it is put back at the end.

    Raises:
        GatewayError: the kernel has no such setting, or refuses.
    """
    file = ROOT / path
    try:
        was = file.read_text().strip()
        if was == value:
            return
        journal.note(kind="sysctl", path=path, was=was, set=value)
        file.write_text(value)
    except OSError as error:
        raise GatewayError(f"{path}: cannot be set to {value}: {error.strerror}") from error


def forward_ipv4(journal: Journal) -> None:
    """Let this machine pass IPv4 packets on."""
    set_noted(journal, "net/ipv4/ip_forward", "1")


def forward_ipv6(journal: Journal) -> bool:
    """Let this machine pass IPv6 packets on; return whether the kernel has IPv6.

    A forwarding machine ignores router advertisements unless told otherwise, and would
    lose its own default route: interfaces that listen to them keep listening (value 2).
    """
    conf = ROOT / "net/ipv6/conf"
    if not conf.is_dir():
        return False
    for interface in sorted(conf.iterdir()):
        accept = interface / "accept_ra"
        if accept.is_file() and accept.read_text().strip() == "1":
            set_noted(journal, f"net/ipv6/conf/{interface.name}/accept_ra", "2")
    set_noted(journal, "net/ipv6/conf/all/forwarding", "1")
    return True
