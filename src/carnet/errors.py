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


class NotACampusError(MisuseError):
    """The directory named holds no campus."""

    code = "not-a-campus"


class CampusExistsError(MisuseError):
    """The directory named already holds a campus, or something else."""

    code = "campus-exists"


class NameTakenError(MisuseError):
    """A relay or student of that name exists already."""

    code = "name-taken"


class UnknownNameError(MisuseError):
    """No relay, student, service or world of that name."""

    code = "unknown-name"


class MissingExtraError(MisuseError):
    """The command needs an optional part of the package that is not installed."""

    code = "missing-extra"


class NetworkFullError(MisuseError):
    """The tunnel network has no address left for another student."""

    code = "network-full"


class NotRunningError(MisuseError):
    """Nothing to ask: no join runs on this machine."""

    code = "not-running"


class MalformedDocumentError(PeerError):
    """A document cut short, oversized, or not in its one canonical form."""

    code = "malformed-document"


class BadSignatureError(PeerError):
    """A document whose signature is not by the key it must be signed with: it was edited."""

    code = "bad-signature"


class ExpiredError(PeerError):
    """A pass or directory after its last day."""

    code = "expired"


class RolledBackError(PeerError):
    """A directory older than one already seen of the same campus."""

    code = "rolled-back"


class OtherCampusError(PeerError):
    """A document of another campus than the one expected."""

    code = "other-campus"


class MalformedQueryError(PeerError):
    """A name query or directory request that is not one."""

    code = "malformed-query"


class ClockError(WorldError):
    """This machine's clock is earlier than the day a document was issued."""

    code = "clock-wrong"


class DiskFullError(WorldError):
    """No room left on the disk; nothing was changed."""

    code = "disk-full"


class StoreError(WorldError):
    """The campus database cannot be read or written."""

    code = "store-broken"


class NoAnswerError(WorldError):
    """The campus answered on no path."""

    code = "no-answer"


class NameResolutionError(WorldError):
    """No address found for the name of a campus or relay."""

    code = "name-not-resolved"


class GatewayError(WorldError):
    """This machine refused a change of its network settings (nftables, routes, sysctl)."""

    code = "gateway-refused"


class AlreadyRunningError(WorldError):
    """Another process of ours already serves this campus or interface."""

    code = "already-running"
