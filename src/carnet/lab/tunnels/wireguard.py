"""Stock WireGuard (wireguard-go) at both ends: directly, and through the best relay of the world."""

import shutil
import time
from pathlib import Path
from typing import Final

from carnet.errors import WorldError
from carnet.lab.programs import Program
from carnet.lab.stage import Stage
from carnet.lab.tunnels import command, gateway
from carnet.seal.keys import key_text, new_signing_key, new_wireguard_key, verifying_key, wireguard_public
from carnet.tunnel import directory

PORT: Final = 51_820
RELAY_PORT: Final = 51_821

_INTERFACE: Final = "wg0"
_MTU_BYTES: Final = 1420
"""What wg-quick(8) sets on a path of 1500 octets."""
_CAMPUS: Final = "10.79.0.1"
_STUDENT: Final = "10.79.0.2"
_KEEPALIVE_S: Final = 25
_DAY_S: Final = 86_400


class WireGuard:
    """The student's endpoint is the campus."""

    name = "wireguard"
    title = "WireGuard"

    async def up(self, stage: Stage) -> None:
        """Start both ends and route the classroom into the tunnel."""
        campus, student = stage.world.only("campus").name, stage.world.only("student").name
        if shutil.which("wireguard-go") is None or shutil.which("wg") is None:
            raise WorldError(
                "needs `wireguard-go` and `wg`: install the packages wireguard-go and wireguard-tools"
            )
        ours, theirs = new_wireguard_key(), new_wireguard_key()
        endpoint = await self._endpoint(stage, wireguard_public(ours))
        await gateway.forward(stage, _INTERFACE)
        await _end(
            stage,
            campus,
            f"{_CAMPUS}/24",
            f"[Interface]\nPrivateKey = {key_text(ours)}\nListenPort = {PORT}\n"
            f"[Peer]\nPublicKey = {key_text(wireguard_public(theirs))}\nAllowedIPs = {_STUDENT}/32\n",
        )
        classroom = stage.address(stage.world.only("classroom").name)
        await _end(
            stage,
            student,
            f"{_STUDENT}/24",
            f"[Interface]\nPrivateKey = {key_text(theirs)}\n"
            f"[Peer]\nPublicKey = {key_text(wireguard_public(ours))}\nEndpoint = {endpoint}\n"
            f"AllowedIPs = {_CAMPUS}/32, {classroom}/32\nPersistentKeepalive = {_KEEPALIVE_S}\n",
        )
        await stage.run(student, "ip", "route", "add", f"{classroom}/32", "dev", _INTERFACE)

    async def _endpoint(self, stage: Stage, _campus_key: bytes) -> str:
        return f"{stage.address(stage.world.only('campus').name)}:{PORT}"


class WireGuardByRelay(WireGuard):
    """The student's endpoint is the relay that a well-informed person would choose."""

    name = "wireguard-relay"
    title = "WireGuard by relay"

    async def _endpoint(self, stage: Stage, campus_key: bytes) -> str:
        relay = stage.world.best_relay()
        campus = stage.address(stage.world.only("campus").name)
        file = stage.hosts.folder / "directory"
        file.write_bytes(_directory(campus_key, f"{campus}:{PORT}"))
        endpoint = f"{relay.addresses[0]}:{RELAY_PORT}"
        await start_relay(stage, relay.name, file)
        return endpoint


async def start_relay(stage: Stage, host: str, directory_file: Path) -> Program:
    """Start our relay on a host and return once it serves."""
    listen = f"{stage.address(host)}:{RELAY_PORT}"
    relay = await stage.start(
        host, *command.carnet("relay", "run", "--directory", str(directory_file), "--listen", listen)
    )
    await relay.line("ready relay", command.READY_S)
    return relay


def _directory(campus_key: bytes, endpoint: str) -> bytes:
    """Return a signed directory that names a stock gateway: what a relay needs to let its handshakes pass."""
    signing = new_signing_key()
    now = int(time.time())
    entry = directory.Directory(
        campus="stock",
        version=1,
        issued=now - 1,
        expires=now + _DAY_S,
        signing_key=verifying_key(signing),
        gateway_key=campus_key,
        endpoint=endpoint,
        network="10.79.0.0/16",
        relays=(),
        services=(),
        allow=(),
    )
    return directory.write(entry, signing)


async def _end(stage: Stage, host: str, address: str, configuration: str) -> None:
    """Start one end and configure it as wg-quick would."""
    file = stage.hosts.folder / host / "wg.conf"
    file.touch(mode=0o600)
    file.write_text(configuration, "utf-8")
    await stage.start(host, "wireguard-go", "-f", _INTERFACE)
    # The daemon makes its socket a moment after it starts; `wg` needs both.
    configure = f"for _ in $(seq 400); do wg setconf {_INTERFACE} {file} && exit 0; sleep 0.05; done; exit 1"
    await stage.run(host, "sh", "-c", configure)
    await gateway.address(stage, host, _INTERFACE, address, _MTU_BYTES)
