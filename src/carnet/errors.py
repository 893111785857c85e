"""Every error this package raises on purpose.

One question places an error: who must act?  The caller (`MisuseError`), the peer
(`PeerError`) or the operator of the machine (`WorldError`).  Anything else that
escapes is a bug in this package.  The leaves and their codes are listed in docs/errors.md.
"""

from typing import ClassVar


class Error(Exception):
    """Base class; catch this to catch all of ours and nothing else's."""

    code: ClassVar[str] = "error"
    """Stable identifier, printed by the command line and indexed in docs/errors.md."""

    exit_status: ClassVar[int] = 1


class MisuseError(Error):
    """The caller broke a documented precondition."""

    code = "misuse"
    exit_status = 2


class PeerError(Error):
    """A peer sent bytes that are malformed, unproven or out of date."""

    code = "peer-error"
    exit_status = 3


class WorldError(Error):
    """The disk, the clock, the network or the rights of this machine failed us."""

    code = "world-error"
    exit_status = 4


class NoRightsError(WorldError):
    """The process may not do what it needs to (interfaces, routes, nftables)."""

    code = "no-rights"


class NoTunError(WorldError):
    """This machine has no usable /dev/net/tun."""

    code = "no-tun"


class InterfaceTakenError(WorldError):
    """An interface of that name exists and is not ours."""

    code = "interface-taken"


class PortInUseError(WorldError):
    """Somebody else listens on that address and port."""

    code = "port-in-use"
