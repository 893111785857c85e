"""All the ways a class can travel, by name."""

from typing import Final, Protocol

from carnet.errors import MisuseError
from carnet.lab.stage import Stage
from carnet.lab.tunnels.carnet import Carnet
from carnet.lab.tunnels.direct import Direct
from carnet.lab.tunnels.openvpn import OpenVpn
from carnet.lab.tunnels.wireguard import WireGuard, WireGuardByRelay


class Tunnel(Protocol):
    """A way for the class.  `up` returns once packets from the student reach the classroom."""

    name: str
    title: str

    async def up(self, stage: Stage) -> None:
        """Set it up on a stage whose links are calm.

        Raises:
            WorldError: a program is missing or failed; the message says which.
        """
        ...


TUNNELS: Final[dict[str, type[Tunnel]]] = {
    kind.name: kind for kind in (Direct, WireGuard, WireGuardByRelay, OpenVpn, Carnet)
}
DEFAULT: Final = ("direct", "wireguard", "wireguard-relay", "carnet")


def named(names: str) -> list[Tunnel]:
    """Return the tunnels of a list of names with commas between.

    Raises:
        MisuseError: one is unknown.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in TUNNELS]
    if unknown or not wanted:
        raise MisuseError(f"no tunnel {', '.join(unknown) or names!r}; there are: {', '.join(TUNNELS)}")
    return [TUNNELS[name]() for name in dict.fromkeys(wanted)]
