"""The student's side of names: class names go to the campus, every other where it went before.

A stub listens on this machine; the machine is told to ask it, by resolvectl where
systemd-resolved runs, else by /etc/resolv.conf, written in place (it may be a mount) and
given back at the end.
"""

import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import dns.message
import dns.rdatatype
import structlog

from carnet.errors import GatewayError, PortInUseError, WorldError
from carnet.node import disk
from carnet.node.nameserver import NameServer, addresses_in, ask, refusal
from carnet.node.resolver import HINTING, RESOLV_CONF, upstream_servers
from carnet.node.undo import MARK, Journal, run_tool
from carnet.tunnel.config import RESOLVER_PORT
from carnet.tunnel.service import NameList

log = structlog.get_logger()

STUBS = ("127.78.0.1", "127.78.0.2", "127.78.0.3", "127.78.0.4")
"""Loopback addresses nobody else is known to use; one per join on this machine."""
RESOLVED_STUB = Path("/run/systemd/resolve/stub-resolv.conf")

Found = Callable[[str, list[str]], Awaitable[None]]


class Stub:
    """Answers this machine's questions; give `answer` to a `NameServer`."""

    def __init__(self, campus: str, names: Callable[[], NameList], found: Found) -> None:
        """Args: campus: the resolver inside the tunnel; found: called before an answer leaves."""
        self._campus = campus
        self._names = names
        self._found = found
        self.others: Sequence[str] = ()
        """Resolvers of every other name, as they were before."""

    async def answer(self, query: dns.message.Message) -> dns.message.Message:
        """Return the campus' answer for a class name, the old resolver's for any other."""
        question = query.question[0]
        service = self._names().service_of(question.name.to_text())
        if service is None:
            return await ask(query, self.others)
        if question.rdtype in HINTING:
            return refusal(query, dns.rcode.NOERROR)
        response = await ask(query, [self._campus])
        found, _ = addresses_in(response)
        if found:
            await self._found(service, found)
        return response


class SplitNames:
    """Puts a stub in the way of this machine's questions.  `start`, `check` now and then, `close`."""

    def __init__(self, stub: Stub, journal: Journal, interface: str, conf: Path = RESOLV_CONF) -> None:
        self._stub = stub
        self._journal = journal
        self._interface = interface
        self._conf = conf
        self._server = NameServer(stub.answer)
        self._ours = ""

    async def start(self, domains: Sequence[str], own_address: str) -> None:
        """Begin to answer.

        Raises:
            PortInUseError: every stub address is taken.
            NoRightsError, GatewayError: the machine's resolver cannot be changed.
        """
        self._stub.others = upstream_servers(self._read())
        if self._resolved_runs():
            await self._server.start_on(own_address, RESOLVER_PORT)
            run_tool(["resolvectl", "dns", self._interface, own_address])
            run_tool(["resolvectl", "domain", self._interface, *("~" + domain for domain in domains)])
            return
        address = await self._listen()
        self._take_over(address)

    def check(self) -> None:
        """Take over again if somebody (DHCP, another VPN) wrote the file since."""
        if not self._ours or self._read() == self._ours:
            return
        present = self._read()
        self._stub.others = upstream_servers(present) or self._stub.others
        address = self._ours.splitlines()[1].split()[1]
        log.info("resolver-changed", by="another program")
        self._take_over(address)

    async def close(self) -> None:
        """Stop answering; the journal gives the machine's resolver back."""
        await self._server.close()

    async def _listen(self) -> str:
        for address in STUBS:
            try:
                await self._server.start_on(address, RESOLVER_PORT)
            except PortInUseError:
                continue
            return address
        raise PortInUseError(f"port {RESOLVER_PORT} is taken on {', '.join(STUBS)}: join with --no-dns")

    def _take_over(self, address: str) -> None:
        before = self._read()
        kept = [line for line in before.splitlines() if line.split()[:1] in (["search"], ["options"])]
        self._ours = "\n".join([MARK, f"nameserver {address}", *kept, ""])
        link = str(self._conf.readlink()) if self._conf.is_symlink() else None
        was = None if link is None and not self._conf.exists() else before
        self._journal.note(kind="file", path=str(self._conf), was=was, link=link)
        try:
            if link is not None:
                self._conf.unlink()
            self._conf.write_text(self._ours)
        except OSError as error:
            raise disk.world_error(error, str(self._conf)) from error

    def _read(self) -> str:
        try:
            return self._conf.read_text()
        except OSError:
            return ""

    def _resolved_runs(self) -> bool:
        if shutil.which("resolvectl") is None or not self._conf.is_symlink():
            return False
        return self._conf.resolve().parent == RESOLVED_STUB.parent


async def start_quietly(split: SplitNames, domains: Sequence[str], own_address: str) -> bool:
    """Start, or say why class names are not resolved through the tunnel; the class still works by address."""
    try:
        await split.start(domains, own_address)
    except (WorldError, GatewayError) as error:
        log.warning("names-not-split", reason=str(error))
        return False
    return True
