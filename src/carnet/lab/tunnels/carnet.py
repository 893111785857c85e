"""carnet itself, by its own commands: a campus, all the relays of the world, and a student who joins."""

from typing import Final

from carnet.lab.stage import Stage
from carnet.lab.tunnels import command
from carnet.lab.tunnels.wireguard import PORT, RELAY_PORT, start_relay

_NETWORK: Final = "10.78.0.0/16"
_INTERFACE: Final = "carnet0"


class Carnet:
    """All ways at once, chosen by nobody."""

    name = "carnet"
    title = "carnet"

    async def up(self, stage: Stage) -> None:
        """Do what the README tells a network team and a student to do."""
        world = stage.world
        campus, student = world.only("campus").name, world.only("student").name
        room = stage.hosts.folder / campus / "campus"
        classroom = stage.address(world.only("classroom").name)
        endpoint = f"{stage.address(campus)}:{PORT}"

        async def manage(*argv: str) -> None:
            await stage.run(campus, *command.carnet(*argv))

        await manage(
            "campus", "init", str(room), "--name", "lab", "--endpoint", endpoint,
            "--network", _NETWORK, "--allow", f"{classroom}/32",
        )  # fmt: skip
        for relay in world.relays:
            await manage("campus", "add-relay", str(room), relay.name, f"{relay.addresses[0]}:{RELAY_PORT}")
        directory, paper = stage.hosts.folder / "directory", stage.hosts.folder / "pass"
        await manage("campus", "directory", str(room), "--out", str(directory))
        await manage("pass", "issue", str(room), student, "--out", str(paper))
        gate = await stage.start(campus, *command.carnet("campus", "run", str(room)))
        await gate.line("ready campus", command.READY_S)
        for relay in world.relays:
            await start_relay(stage, relay.name, directory)
        joined = await stage.start(student, *command.carnet("join", str(paper), "--interface", _INTERFACE))
        await joined.line("ready joined", command.READY_S)
