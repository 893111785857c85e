"""The running campus: the tunnel's far end, its gateway, resolver and directory.

Wires rooms to the world and decides nothing: who may enter is the store's, what passes is
the gateway's, which path carries is the judge's.
"""

import asyncio
import fcntl
import math
import os
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from ipaddress import ip_network
from pathlib import Path
from socket import AF_INET6

import structlog

from carnet.errors import AlreadyRunningError, WorldError
from carnet.node import disk, rights, sysctl
from carnet.node.announce import Announcer
from carnet.node.gateway import Gateway, interface_name
from carnet.node.nameserver import NameServer
from carnet.node.netlink import Netlink
from carnet.node.resolver import RESOLV_CONF, Resolver, upstream_servers
from carnet.node.serve import pause, say_ready, together
from carnet.node.store import Store
from carnet.node.undo import Journal
from carnet.tunnel import addresses
from carnet.tunnel.carrier import Carrier
from carnet.tunnel.config import DIRECTORY_PORT, MTU_BYTES, RESOLVER_PORT, TICK_S, PathConfig
from carnet.tunnel.judge import PathJudge
from carnet.tunnel.policy import Plan

log = structlog.get_logger()

POLL_S = 0.25
"""How often the store is asked whether another command changed it."""
RENEW_S = 3600.0
FORGET_AFTER_S = 180.0
"""Silence after which a student's paths are no longer judged: the session's own lifetime."""


class Campus:
    """One campus on this machine.  `run` is the whole life."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store = Store(path)
        self._interface = interface_name(self._store.name)
        self._journal = Journal(path / f"undo.{disk.network_namespace()}")
        self._config = PathConfig()
        self._judges: dict[bytes, tuple[PathJudge, float]] = {}
        self._plans: dict[bytes, Plan] = {}
        self._peers: dict[bytes, int] = {}
        self._next_expiry = math.inf
        self._directory, self._document = self._store.directory()
        self._names = self._directory.names()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`, then put the machine back as it was.

        Raises:
            AlreadyRunningError, WorldError: as named.
        """
        with _only_one(self._path):
            rights.require_rights()
            self._journal.repair()
            rights.require_tunnel(self._interface)
            self._keep_rights()
            try:
                await self._serve(stop)
            finally:
                self._journal.undo()
                self._store.close()

    def _keep_rights(self) -> None:
        kept = [rights.CAP_NET_ADMIN, rights.CAP_NET_BIND_SERVICE]
        if self._path.stat().st_uid != os.geteuid():
            # Somebody else's directory, run by root: reading it needs this one too.
            kept.append(rights.CAP_DAC_OVERRIDE)
        rights.keep_only(*kept)

    async def _serve(self, stop: asyncio.Event) -> None:
        _, port = addresses.endpoint(self._store.endpoint)
        async with AsyncExitStack() as stack:
            netlink = await stack.enter_async_context(Netlink())
            carrier = stack.enter_context(Carrier(self._store.gateway_key(), self._interface, f"[::]:{port}"))
            await self._open_network(netlink)
            gateway = Gateway(self._interface, self._journal)
            gateway.apply(self._directory, time.monotonic())
            await self._open_services(stack, gateway, ipv6=await netlink.has_default(AF_INET6))
            self._store.renew(int(time.time()))
            self._reload(carrier, gateway)
            say_ready(
                f"ready campus {self._store.name} {self._store.endpoint} "
                f"tunnel {self._directory.gateway_address}"
            )
            log.info("ready", campus=self._store.name, students=len(self._peers))
            await together(stop, self._judge(carrier, stop), self._follow(carrier, gateway, stop))

    async def _open_network(self, netlink: Netlink) -> None:
        directory = self._directory
        bits = ip_network(directory.network).prefixlen
        own = [f"{directory.gateway_address}/{bits}", f"{directory.gateway_address6}/64"]
        await netlink.bring_up(self._interface, own, MTU_BYTES)
        sysctl.forward_ipv4(self._journal)
        if any(ip_network(text).version == 6 for text in directory.networks()[2:]):
            sysctl.forward_ipv6(self._journal)

    async def _open_services(self, stack: AsyncExitStack, gateway: Gateway, *, ipv6: bool) -> None:
        address = self._directory.gateway_address
        upstream = upstream_servers(RESOLV_CONF.read_text()) if RESOLV_CONF.exists() else []
        server = NameServer(Resolver(gateway, lambda: self._names, upstream, ipv6=ipv6).answer)
        await server.start_on(address, RESOLVER_PORT)
        stack.push_async_callback(server.close)
        announcer = Announcer(lambda: (self._directory.version, self._document))
        await announcer.start_on(address, DIRECTORY_PORT)
        stack.callback(announcer.close)

    def _reload(self, carrier: Carrier, gateway: Gateway) -> None:
        """Make the tunnel and the rules what the store says now."""
        now = time.time()
        valid = [row for row in self._store.students() if row.works(now)]
        self._next_expiry = min((row.expires for row in valid), default=math.inf)
        wanted = {row.public_key: row.number for row in valid}
        for key in self._peers.keys() - wanted.keys():
            carrier.remove_peer(key)
            self._judges.pop(key, None)
            self._plans.pop(key, None)
            log.info("student-removed", number=self._peers.pop(key))
        for key in wanted.keys() - self._peers.keys():
            carrier.set_student(key, self._allowed(wanted[key]))
            self._peers[key] = wanted[key]
        directory, document = self._store.directory()
        if directory.version == self._directory.version:
            return
        rules_differ = (directory.services, directory.allow) != (
            self._directory.services,
            self._directory.allow,
        )
        self._directory, self._document, self._names = directory, document, directory.names()
        if rules_differ:
            gateway.apply(directory, time.monotonic())
        log.info("directory", version=directory.version, relays=len(directory.relays))

    def _allowed(self, number: int) -> list[str]:
        own = (self._directory.address(number), self._directory.address6(number))
        return [addresses.single(addresses.address(text)) for text in own]

    async def _follow(self, carrier: Carrier, gateway: Gateway, stop: asyncio.Event) -> None:
        """Notice within a second what other commands changed in the store, and passes that run out."""
        seen, renewed_at = -1, time.monotonic()
        while not await pause(stop, POLL_S):
            now = time.monotonic()
            try:
                if now - renewed_at > RENEW_S:
                    self._store.renew(int(time.time()))
                    renewed_at = now
                version = self._store.data_version()
                if version != seen or time.time() >= self._next_expiry:
                    self._reload(carrier, gateway)
                    seen = version
            except WorldError as error:
                # Students in class must not pay for a full disk; whoever runs the campus is told.
                log.warning("not-followed", code=error.code, reason=str(error))

    async def _judge(self, carrier: Carrier, stop: asyncio.Event) -> None:
        """Plan down and counts up, ten times a second."""
        while not await pause(stop, TICK_S):
            now = time.monotonic()
            for reading in carrier.report():
                if not reading.speaks_frames:
                    continue
                judge, _ = self._judges.get(reading.public_key, (None, 0.0))
                judge = judge or PathJudge(self._config, now, initiates=False)
                judge.feed(reading, now)
                self._judges[reading.public_key] = (judge, now)
            for key, (judge, heard_at) in list(self._judges.items()):
                if now - heard_at > FORGET_AFTER_S:
                    del self._judges[key]
                    continue
                plan = judge.plan(now)
                if plan != self._plans.get(key):
                    carrier.obey(key, plan)
                    self._plans[key] = plan


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold the campus' lock; the kernel lets go of it even after a `kill -9`."""
    try:
        descriptor = os.open(path / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise disk.world_error(error, str(path)) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(f"a campus already runs from {path}") from error
        yield
    finally:
        os.close(descriptor)
