"""Stock OpenVPN over UDP with a static key, as its manual's shortest example sets it up."""

import shutil
from typing import Final

from carnet.errors import WorldError
from carnet.lab.stage import Stage
from carnet.lab.tunnels import command, gateway

_INTERFACE: Final = "ovpn0"
_PORT: Final = 1194
_CAMPUS: Final = "10.80.0.1"
_STUDENT: Final = "10.80.0.2"


class OpenVpn:
    """The student's endpoint is the campus."""

    name = "openvpn"
    title = "OpenVPN"

    async def up(self, stage: Stage) -> None:
        """Start both ends and route the classroom into the tunnel."""
        if shutil.which("openvpn") is None:
            raise WorldError("needs `openvpn`: install the package openvpn")
        campus, student = stage.world.only("campus").name, stage.world.only("student").name
        key = stage.hosts.folder / "openvpn.key"
        await stage.run(campus, "openvpn", "--genkey", "secret", str(key))
        await gateway.forward(stage, _INTERFACE)
        mine: tuple[str, ...] = (
            "openvpn",
            "--dev",
            _INTERFACE,
            "--dev-type",
            "tun",
            "--proto",
            "udp",
            "--secret",
            str(key),
        )
        # AES-256-CBC with HMAC is what a static key allows; the per-packet cost is a few octets above GCM's.
        mine = (*mine, "--cipher", "AES-256-CBC", "--auth", "SHA256", "--ping", "10", "--port", str(_PORT))
        gate = await stage.start(campus, *mine, "--float", "--ifconfig", _CAMPUS, _STUDENT)
        far = stage.address(campus)
        end = await stage.start(student, *mine, "--remote", far, "--ifconfig", _STUDENT, _CAMPUS)
        classroom = stage.address(stage.world.only("classroom").name)
        for program in (gate, end):
            await program.line("", command.READY_S, within="Initialization Sequence Completed")
        await stage.run(student, "ip", "route", "add", f"{classroom}/32", "dev", _INTERFACE)
