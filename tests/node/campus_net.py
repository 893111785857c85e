"""A small Internet for tests: a student, two relays, a campus, and a server behind the campus."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.node.places import inside, namespaces, place, run, wire
from tests.node.programs import CARNET, Program, carnet

STUDENT, CAMPUS, SERVER, CORE = (place(name) for name in ("st", "ca", "se", "co"))
RELAYS = {"first": place("r1"), "second": place("r2")}
NUMBERS = {STUDENT: 1, RELAYS["first"]: 2, RELAYS["second"]: 3, CAMPUS: 4}
LAN = "203.0.113"
ENDPOINT = "198.18.4.2:51820"
GATEWAY = "10.78.0.1"


def address(place: str) -> str:
    """Return the address of a host on our Internet."""
    return f"198.18.{NUMBERS[place]}.2"


@contextmanager
def internet() -> Iterator[None]:
    """Make every host and wire."""
    with namespaces(STUDENT, CAMPUS, SERVER, CORE, *RELAYS.values()):
        inside(CORE, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for place, number in NUMBERS.items():
            wire(
                CORE,
                place,
                left_address=f"198.18.{number}.1/24",
                right_address=f"198.18.{number}.2/24",
                name=f"net{number}",
            )
            run("ip", "-n", place, "route", "add", "default", "via", f"198.18.{number}.1")
        wire(CAMPUS, SERVER, left_address=f"{LAN}.1/24", right_address=f"{LAN}.2/24", name="lan")
        # The server answers to whoever the gateway passes on, from the addresses of services too.
        run("ip", "-n", SERVER, "route", "add", "default", "via", f"{LAN}.1")
        yield


def cut(place: str, *, whole: bool) -> None:
    """Break the wire of a host, or mend it."""
    run("ip", "-n", CORE, "link", "set", f"net{NUMBERS[place]}", "up" if whole else "down")


@dataclass
class School:
    """A campus on our Internet and the commands around it."""

    home: Path

    @property
    def directory(self) -> Path:
        """Return the campus' directory."""
        return self.home / "campus"

    def found(self, *more: str, endpoint: str = ENDPOINT) -> None:
        """Make the campus."""
        carnet(
            "campus",
            "init",
            str(self.directory),
            "--name",
            "alpine",
            "--endpoint",
            endpoint,
            *more,
            home=self.home,
        )

    def add_relay(self, name: str) -> None:
        """Put a relay of our Internet in the directory."""
        endpoint = f"{address(RELAYS[name])}:443"
        carnet("campus", "add-relay", str(self.directory), name, endpoint, home=self.home)

    def issue(self, student: str) -> Path:
        """Issue a pass and return its file."""
        file = self.home / f"{student}.pass"
        carnet("pass", "issue", str(self.directory), student, "--out", str(file), home=self.home)
        return file

    def revoke(self, student: str) -> None:
        """Take a pass back."""
        carnet("pass", "revoke", str(self.directory), student, home=self.home)

    def run_campus(self) -> Program:
        """Start the campus."""
        return Program(CAMPUS, *CARNET, "campus", "run", str(self.directory), home=self.home)

    def run_relay(self, name: str) -> Program:
        """Start a relay, with the directory of now."""
        file = self.home / f"{name}.directory"
        carnet("campus", "directory", str(self.directory), "--out", str(file), home=self.home)
        listen = f"{address(RELAYS[name])}:443"
        return Program(
            RELAYS[name],
            *CARNET,
            "relay",
            "run",
            "--directory",
            str(file),
            "--listen",
            listen,
            home=self.home,
        )

    def join(self, file: Path, *more: str) -> Program:
        """Start the student's end."""
        return Program(STUDENT, *CARNET, "join", str(file), *more, home=self.home)


def pings(target: str, place: str = STUDENT) -> bool:
    """Return whether one ping is answered within a second."""
    return inside(place, "ping", "-c1", "-W1", target, check=False).returncode == 0
