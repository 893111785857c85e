"""Rights for those who have none: the lab again, inside a user namespace where the caller is root.

A user namespace can do no harm to the machine; some systems forbid it all the same, and then this says so.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from carnet.errors import NoRightsError

INSIDE: Final = "CARNET_LAB_INSIDE"
"""Set in the environment of the lab that runs inside, so that it never tries twice."""

_CAP_NET_ADMIN: Final = 12
_CAP_SYS_ADMIN: Final = 21

_UNSHARE: Final = ("unshare", "--user", "--map-root-user", "--net", "--mount", "--propagation", "private")
_PREPARE: Final = 'mount -t tmpfs carnet-lab /run && mkdir /run/netns && exec "$@"'


def needed() -> bool:
    """Tell whether this process may not make namespaces and interfaces: not root, or root without rights."""
    status = Path("/proc/self/status").read_text("utf-8")
    effective = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
    return not all(effective >> capability & 1 for capability in (_CAP_NET_ADMIN, _CAP_SYS_ADMIN))


def enter(argv: Sequence[str]) -> NoReturn:
    """Replace this process by `argv` inside a user namespace with an empty /run.

    Raises:
        NoRightsError: the system forbids it, or this is already the inside.
    """
    advice = "run as root, or allow user namespaces (sysctl user.max_user_namespaces)"
    if os.environ.get(INSIDE):
        raise NoRightsError(f"the lab lacks rights even inside a user namespace: {advice}")
    try:
        tried = subprocess.run(
            [*_UNSHARE, "sh", "-c", _PREPARE, "sh", "true"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise NoRightsError(f"`unshare` is not installed: {advice}") from error
    if tried.returncode != 0:
        raise NoRightsError(f"no user namespace for the lab ({tried.stderr.strip()}): {advice}")
    sys.stdout.flush()
    os.execvpe("unshare", [*_UNSHARE, "sh", "-c", _PREPARE, "sh", *argv], os.environ | {INSIDE: "1"})  # noqa: S606
