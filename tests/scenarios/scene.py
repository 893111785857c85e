"""A class in a small world as a test sees it: synchronous calls over the lab's own stage.

Nodes are the commands everyone uses, run as processes on hosts of their own.  Sockets of tests are opened
inside a host by a thread that enters its namespace.
"""

import asyncio
import ctypes
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import pytest

from carnet.lab import hosts, world
from carnet.lab.emulation import Emulation
from carnet.lab.programs import Program
from carnet.lab.stage import Stage
from carnet.lab.tunnels import command
from carnet.lab.world import Shape
from carnet.node import founding
from carnet.node.store import Store
from carnet.tunnel.addresses import endpoint_text
from carnet.tunnel.directory import RelayEntry

T = TypeVar("T")

PORT: Final = 51_820
RELAY_PORT: Final = 51_821
INTERFACE: Final = "carnet0"
PATIENCE_S: Final = 30.0
_CLONE_NEWNET: Final = 0x40000000

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/net/tun").exists(),
    reason="needs root and /dev/net/tun: hosts are network namespaces with a TUN each",
)


def has(tool: str) -> bool:
    """Return whether a program is installed."""
    return shutil.which(tool) is not None


def needs(tool: str) -> pytest.MarkDecorator:
    """Skip where a program is not installed."""
    return pytest.mark.skipif(not has(tool), reason=f"needs `{tool}`: install its package")


class Scene:
    """A world with its hosts and links, and a campus in it.  Use `opened`."""

    def __init__(self, stage: Stage, runner: asyncio.Runner) -> None:
        self.stage = stage
        self.outside = 4
        """The version of IP that campus, relays and students reach each other by."""
        self.home = stage.hosts.folder / "home"
        self.directory = stage.hosts.folder / "campus.directory"
        self._runner = runner
        self.home.mkdir()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something asynchronous of the stage to its end."""
        return self._runner.run(work)

    # hosts

    def address(self, host: str) -> str:
        """Return a host's IPv4 address."""
        return self.stage.address(host)

    def every_address(self, host: str) -> list[str]:
        """Return all addresses of a host."""
        return next(entry for entry in self.stage.world.hosts if entry.name == host).addresses

    def endpoint(self, host: str, port: int) -> str:
        """Return ADDRESS:PORT of a host as others reach it."""
        found = (ip_address(text) for text in self.every_address(host))
        return endpoint_text(str(next(one for one in found if one.version == self.outside)), port)

    def inside(self, host: str, act: Callable[[], T]) -> T:
        """Run `act` in a thread that has entered a host; sockets it opens stay there."""
        space = Path("/run/netns") / self.stage.hosts.namespace(host)
        results: list[T | BaseException] = []

        def enter() -> None:
            try:
                _enter(space)
                results.append(act())
            except BaseException as error:  # noqa: BLE001  re-raised in the caller's thread
                results.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if isinstance(results[0], BaseException):
            raise results[0]
        return results[0]

    def udp(self, host: str, port: int = 0) -> socket.socket:
        """Open a UDP socket on a host, with a second's patience."""

        def open_one() -> socket.socket:
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            one.bind(("0.0.0.0", port))
            one.settimeout(1.0)
            return one

        return self.inside(host, open_one)

    def tcp(self, host: str, target: tuple[str, int]) -> socket.socket:
        """Connect from a host."""
        return self.inside(host, lambda: socket.create_connection(target, timeout=PATIENCE_S))

    def listener(self, host: str, port: int) -> socket.socket:
        """Listen on a TCP port of a host, by both families."""
        return self.inside(
            host,
            lambda: socket.create_server(("", port), family=socket.AF_INET6, backlog=64, dualstack_ipv6=True),
        )

    def link(self, source: str, target: str, **changes: Any) -> None:
        """Change how packets from `source` to `target` fare, from what the world says at its start."""
        shape = self.stage.world.shape(source, target)
        assert shape is not None
        self.links(source, target, msgspec.structs.replace(shape, **changes))

    def links(self, source: str, target: str, shape: Shape) -> None:
        """Give a link a new shape."""
        self.stage.emulation.set_links([world.Link(source=source, target=target, shape=shape)])

    def cut(self, one: str, other: str) -> None:
        """Let nothing pass between two hosts any more."""
        for source, target in ((one, other), (other, one)):
            self.link(source, target, loss=1.0)

    def mend(self, one: str, other: str) -> None:
        """Let a cut link work again."""
        for source, target in ((one, other), (other, one)):
            self.link(source, target)

    # programs

    def state(self, host: str) -> Path:
        """Return where a host's nodes keep what outlives a reboot."""
        return self.stage.hosts.folder / host / "state"

    def argv(self, host: str, *words: str) -> list[str]:
        """Return the command line of `carnet WORDS` with a host's own state."""
        return ["env", f"CARNET_STATE={self.state(host)}", *command.carnet(*words)]

    def run(
        self, host: str, *argv: str, wait_s: float = PATIENCE_S, stdin: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Run any command on a host to its end, whatever it says."""
        return subprocess.run(
            self.stage.hosts.command(host, *argv),
            input=stdin, capture_output=True, text=True, timeout=wait_s, check=False, cwd=self.home,
        )  # fmt: skip

    def carnet(self, host: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `carnet WORDS` on a host to its end, whatever it says."""
        return self.run(host, *self.argv(host, *words))

    def must(self, host: str, *words: str) -> str:
        """Run `carnet WORDS` on a host; return what it said.  It has to succeed."""
        done = self.carnet(host, *words)
        assert done.returncode == 0, f"carnet {' '.join(words)}: {done.stderr}"
        return done.stdout

    def serve(self, host: str, ready: str, *argv: str) -> Program:
        """Start a command that serves, and return once it says that it does."""
        program = self.do(self.stage.start(host, *argv))
        self.ready(program, ready)
        return program

    def ready(self, program: Program, beginning: str) -> str:
        """Return a program's ready line."""
        return self.do(program.line(beginning, PATIENCE_S))

    def stop(self, program: Program) -> None:
        """Stop a program as its user would."""
        self.do(program.stop())

    def kill(self, program: Program) -> None:
        """Kill a program as a power cut would."""
        self.do(program.kill())

    def again(self, program: Program, ready: str) -> None:
        """Start a program that died once more."""
        self.do(program.start())
        self.ready(program, ready)

    # the campus, its relays and students

    @property
    def campus(self) -> Path:
        """The campus' directory."""
        return self.home / "campus"

    def found(self, *relays: str, services: Sequence[str] = ()) -> None:
        """Found the campus, with relays of the world in its directory; what `carnet campus init` does."""
        founding.found(
            self.campus,
            name="lab",
            endpoint=self.endpoint("campus", PORT),
            network="10.78.0.0/16",
            services=list(services),
            allowed=[str(ip_network(text)) for text in self.every_address("classroom")],
            now=int(time.time()),
        )
        for relay in relays:
            self.add_relay(relay)

    def add_relay(self, name: str) -> None:
        """Put a relay of the world into the directory; what `carnet campus add-relay` does."""
        entry = RelayEntry(name, self.endpoint(name, RELAY_PORT), "", "")
        with Store(self.campus) as store:
            store.add_relay(entry, int(time.time()))
            self.directory.write_bytes(store.directory()[1])

    def issue(self, student: str, lifetime_s: int = 30 * 86_400) -> Path:
        """Issue a pass; return its file.  What `carnet pass issue` does."""
        paper = self.home / f"{student}.pass"
        with Store(self.campus) as store, store.issuing(student, int(time.time()), lifetime_s) as file:
            paper.write_bytes(file)
        return paper

    def revoke(self, student: str) -> None:
        """Take a pass back; what `carnet pass revoke` does."""
        with Store(self.campus) as store:
            store.revoke(student, int(time.time()))

    def gate(self) -> Program:
        """Start the campus."""
        return self.serve("campus", "ready campus", *self.argv("campus", "campus", "run", str(self.campus)))

    def relay(self, host: str, *wrapped_in: str) -> Program:
        """Start a relay."""
        words = (
            "relay",
            "run",
            "--directory",
            str(self.directory),
            "--listen",
            self.endpoint(host, RELAY_PORT),
        )
        return self.serve(host, "ready relay", *wrapped_in, *self.argv(host, *words))

    def join(self, paper: Path, *options: str) -> Program:
        """Let the student join."""
        words = ("join", str(paper), "--interface", INTERFACE, *options)
        return self.serve("student", "ready joined", *self.argv("student", *words))

    def status(self) -> dict[str, Any]:
        """Return what `carnet status --json` says of the student's join."""
        (join,) = json.loads(self.must("student", "status", "--json"))
        assert isinstance(join, dict)
        return join

    def carrying(self) -> str:
        """Return the name of the way that carries the student's packets now."""
        names = [path["name"] for path in self.status()["paths"] if path["carrying"]]
        return names[0] if names else ""

    def received_by(self) -> dict[str, int]:
        """Return how many octets came in by each way so far."""
        return {path["name"]: path["received_bytes"] for path in self.status()["paths"]}

    def sent_by(self) -> dict[str, int]:
        """Return how many octets went out by each way so far."""
        return {path["name"]: path["sent_bytes"] for path in self.status()["paths"]}

    def alive(self) -> set[str]:
        """Return the names of the ways that answer."""
        return {path["name"] for path in self.status()["paths"] if path["alive"]}

    def mtu_of(self, name: str) -> int:
        """Return the largest packet that fits a way, as the student's end found."""
        (found,) = (path["mtu_bytes"] for path in self.status()["paths"] if path["name"] == name)
        return int(found)

    def until(self, true: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        """Wait for the world to become as it must; fail when patience ends."""
        deadline = time.monotonic() + patience_s
        while not true():
            assert time.monotonic() < deadline, f"not within {patience_s} s: {what}"
            time.sleep(0.1)

    def log(self, program: Program) -> str:
        """Return all a program said on its error output."""
        return program._errors.read_text("utf-8", "replace")

    def pid(self, program: Program) -> int:
        """Return a program's process id; every wrapper of the lab has made way for it."""
        return program._running().pid


def _enter(space: Path) -> None:
    """Move this thread, and nothing else, into a network namespace."""
    with space.open("rb") as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {space}")


@contextmanager
def opened(text: str) -> Iterator[Scene]:
    """Build a world and give its scene; stop every program and remove every trace at the end."""
    parsed = world.parse(text)
    with hosts.opened() as found, asyncio.Runner() as runner:
        emulation = Emulation(parsed, found, parsed.seed)
        stage = Stage(parsed, found, emulation)
        try:
            scene = Scene(stage, runner)
            # A lab lets the student reach the classroom without a tunnel too; here only a tunnel does.
            for pair in (("student", "classroom"), ("classroom", "student")):
                scene.links(*pair, Shape(delay_s=0.0, loss=1.0))
            yield scene
        finally:
            runner.run(stage.clear())
            emulation.close()
