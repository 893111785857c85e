"""Root for those who have none: the lab again, inside a user namespace where the caller is root.

A user namespace costs nothing and can do no harm to the machine; some systems forbid it, and then this says so.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from carnet.errors import NoRightsError

INSIDE: Final = "CARNET_LAB_INSIDE"
"""Set in the environment of the lab that runs inside, so that it never tries twice."""

_UNSHARE: Final = ("unshare", "--user", "--map-root-user", "--net", "--mount", "--propagation", "private")
_PREPARE: Final = 'mount -t tmpfs carnet-lab /run && mkdir /run/netns && exec "$@"'


def needed() -> bool:
    """Tell whether this process is not root, neither of the machine nor of a namespace."""
    return os.geteuid() != 0


def enter(argv: Sequence[str]) -> NoReturn:
    """Replace this process by `argv` inside a user namespace with an empty /run.

    Raises:
        NoRightsError: the system forbids it, or this is already the inside.
    """
    advice = "run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone or user.max_user_namespaces)"
    if os.environ.get(INSIDE):
        raise NoRightsError(f"the lab is not root even inside a user namespace: {advice}")
    try:
        tried = subprocess.run([*_UNSHARE, "sh", "-c", _PREPARE, "sh", "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NoRightsError(f"`unshare` is not installed: {advice}") from error
    if tried.returncode != 0:
        raise NoRightsError(f"no user namespace for the lab ({tried.stderr.strip()}): {advice}")
    sys.stdout.flush()
    os.execvpe("unshare", [*_UNSHARE, "sh", "-c", _PREPARE, "sh", *argv], os.environ | {INSIDE: "1"})
