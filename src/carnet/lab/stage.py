"""The stage of one class: a world's hosts and links, and the programs that run there."""

from dataclasses import dataclass, field

from carnet.lab.emulation import Emulation
from carnet.lab.hosts import Hosts
from carnet.lab.programs import Program, run_to_end
from carnet.lab.world import IN_USE, Event, Readdress, SetLink, Start, World

COMMAND_S = 30.0
"""Patience with a command of ours on a machine with everything else to do."""


@dataclass(slots=True)
class Stage:
    """What a tunnel needs to set itself up.  Programs are known by host, so that a world can kill them."""

    world: World
    hosts: Hosts
    emulation: Emulation
    programs: list[Program] = field(default_factory=list)

    def address(self, host: str) -> str:
        """Return a host's first address, which is an IPv4 one."""
        return next(entry for entry in self.world.hosts if entry.name == host).addresses[0]

    async def run(self, host: str, *argv: str) -> str:
        """Run a command on a host to its end; return its output."""
        return await run_to_end(self.hosts, host, *argv, patience_s=COMMAND_S)

    async def start(self, host: str, *argv: str) -> Program:
        """Start a program on a host that lives until the stage is cleared."""
        program = Program(self.hosts, host, *argv)
        self.programs.append(program)
        await program.start()
        return program

    async def perform(self, event: Event, in_use: str) -> None:
        """Let an event happen; `in_use` is the relay that carries the class, or empty for the direct way."""
        if isinstance(event, SetLink):
            self.emulation.set_links(self.world.twins(event))
        elif isinstance(event, Readdress):
            self.emulation.readdress(event.host, event.addresses)
        elif isinstance(event, Start):
            for program in self._on(event.host):
                await program.start()
        elif event.host != IN_USE:
            await self._kill(event.host)
        elif in_use:
            await self._kill(in_use)
        else:
            self.emulation.cut_direct()

    async def clear(self) -> None:
        """Stop every program, the last started first."""
        while self.programs:
            await self.programs.pop().stop()

    async def _kill(self, host: str) -> None:
        for program in self._on(host):
            await program.kill()

    def _on(self, host: str) -> list[Program]:
        return [program for program in self.programs if program.host == host]
