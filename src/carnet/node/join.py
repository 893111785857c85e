"""The running join: the student's end of the tunnel, its routes, names and status.

Wires rooms to the world and decides nothing.  The wall clock is used for expiry only;
everything that judges paths runs on the monotonic one, so a clock set anew harms no class.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from carnet.errors import NameResolutionError, NoAnswerError, PeerError, WorldError
from carnet.facts import PeerReading
from carnet.node import device, disk, lookup, rights
from carnet.node.announce import fetch_newer
from carnet.node.memory import Memory
from carnet.node.netlink import Netlink
from carnet.node.serve import pause, say_ready, together
from carnet.node.split import SplitNames, Stub, start_quietly
from carnet.node.status import JoinStatus, StatusServer, snapshot
from carnet.node.underlay import Underlay
from carnet.node.undo import Journal
from carnet.tunnel import passes
from carnet.tunnel.carrier import Carrier
from carnet.tunnel.config import DIRECTORY_PORT, TICK_S, PathConfig
from carnet.tunnel.judge import PathJudge
from carnet.tunnel.policy import Plan
from carnet.tunnel.service import NameList
from carnet.tunnel.ways import Ways

log = structlog.get_logger()

ANSWER_S = 10.0
"""How long the first handshake may take: ten tries, on every path."""
ASK_DIRECTORY_S = 3.0
ASK_DIRECTORY_ASLEEP_S = 30.0
CHECK_S = 2.0
LOOK_UP_AGAIN_S = 60.0
COMPLAIN_EVERY_S = 60.0
SILENT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinOptions:
    """What the student may choose, and need not."""

    interface: str = "carnet0"
    names: bool = True
    """Resolve class names through the campus; False leaves the machine's resolver alone."""


class Join:
    """One join.  `run` is the whole life."""

    def __init__(self, file: bytes, options: JoinOptions) -> None:
        """Check the pass.  Raises PeerError or ClockError as `passes.read` does."""
        now = time.time()
        self._options = options
        self._holding = passes.read(file, now)
        self._memory = Memory(self._holding.signed.signing_key)
        self._directory = self._memory.newest(self._holding.directory_document, now)
        journal = f"undo-{options.interface}.{disk.network_namespace()}"
        self._journal = Journal(disk.state_directory() / journal)
        self._ways = Ways()
        self._ways.take(self._directory)
        self._judge = PathJudge(PathConfig(), time.monotonic(), initiates=True)
        self._reading: PeerReading | None = None
        self._counters: dict[str, int] = {}
        self._answered_at: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Carry the class until `stop`, then put the machine back as it was.

        Raises:
            NoRightsError, NoTunError, InterfaceTakenError, NameResolutionError: nothing was changed.
            NoAnswerError: the campus did not answer; everything is undone.
        """
        rights.require_rights()
        rights.require_tunnel(self._options.interface)
        self._journal.repair()
        self._ways.resolved(await lookup.find(self._ways.hosts()), time.monotonic())
        if not self._ways.paths():
            raise NameResolutionError(
                "neither the campus nor any relay was found by name: check this machine's connection and DNS"
            )
        rights.keep_only(rights.CAP_NET_ADMIN, rights.CAP_NET_BIND_SERVICE)
        try:
            await self._serve(stop)
        finally:
            self._journal.undo()

    async def _serve(self, stop: asyncio.Event) -> None:
        async with AsyncExitStack() as stack:
            netlink = await stack.enter_async_context(Netlink())
            carrier = stack.enter_context(
                Carrier(self._holding.private_key, self._options.interface, "[::]:0")
            )
            underlay = Underlay(netlink, self._journal, self._options.interface)
            await underlay.open(self._holding, self._directory)
            await underlay.take(self._directory, self._ways.endpoints())
            self._call(carrier, underlay)
            ticking = asyncio.create_task(self._tick(carrier, underlay, stop))
            stack.push_async_callback(_ended, ticking)
            if not await self._first_answer(ticking, stop):
                return
            split = await self._split_names(stack, carrier, underlay)
            status = StatusServer(self._options.interface, self._journal, self._snapshot)
            stack.callback(status.close)
            await status.start()
            address = self._holding.address(self._directory)
            say_ready(
                f"ready joined {self._directory.campus} address {address} paths {len(self._ways.paths())}"
            )
            log.info("ready", campus=self._directory.campus, paths=len(self._ways.paths()))
            await together(
                stop,
                _following(ticking),
                self._ask_directory(carrier, underlay, stop),
                self._check(carrier, underlay, split, stop),
            )

    def _call(self, carrier: Carrier, underlay: Underlay) -> None:
        """Tell the carrier whom to call, over which paths, and what may come back."""
        carrier.set_campus(self._directory.gateway_key, underlay.allowed(), self._ways.paths())

    async def _first_answer(self, ticking: "asyncio.Task[None]", stop: asyncio.Event) -> bool:
        """Wait for the campus; return False if it is time to stop."""
        deadline = time.monotonic() + ANSWER_S
        while self._answered_at is None:
            if time.monotonic() > deadline:
                raise NoAnswerError(
                    f"{self._directory.campus} did not answer on {len(self._ways.paths())} paths: "
                    "the pass may be revoked, the campus not running, UDP blocked here, "
                    "or this machine's clock wrong"
                )
            if ticking.done():
                ticking.result()
            if await pause(stop, TICK_S / 2):
                return False
        return True

    async def _split_names(
        self, stack: AsyncExitStack, carrier: Carrier, underlay: Underlay
    ) -> SplitNames | None:
        async def found(_: str, addresses: list[str]) -> None:
            if await underlay.admit(addresses, self._ways.endpoints()):
                self._call(carrier, underlay)

        domains = self._directory.names().domains()
        if not self._options.names or not domains:
            return None
        stub = Stub(self._directory.gateway_address, self._names, found)
        split = SplitNames(stub, self._journal, self._options.interface)
        stack.push_async_callback(split.close)
        own = self._holding.address(self._directory)
        return split if await start_quietly(split, domains, own) else None

    async def _tick(self, carrier: Carrier, underlay: Underlay, stop: asyncio.Event) -> None:
        """Plan down and counts up, ten times a second."""
        campus = self._directory.gateway_key
        complained_at = float("-inf")
        before: Plan | None = None
        while not await pause(stop, TICK_S):
            now = time.monotonic()
            for reading in carrier.report(every=True):
                self._reading = reading
                inside = device.counts(self._options.interface)
                self._judge.feed(reading, now, carried=inside.sent_packets + inside.received_packets)
                if reading.handshake_age_s < SILENT_S and self._answered_at is None:
                    self._answered_at = now
            plan = self._judge.plan(now)
            if plan != before or plan.shake:
                carrier.obey(campus, plan)
                before = plan
            alive = {estimate.path for estimate in self._judge.estimates if estimate.alive}
            if alive:
                self._answered_at = now
            if self._ways.silent(alive, now):
                self._call(carrier, underlay)
            silent_s = now - self._answered_at if self._answered_at is not None else 0.0
            if self._speaks_frames() and silent_s > SILENT_S and now - complained_at > COMPLAIN_EVERY_S:
                complained_at = now
                log.warning("no-answer", seconds=round(silent_s), trying="on", hint="revoked, or no network")

    def _names(self) -> NameList:
        return self._directory.names()

    def _speaks_frames(self) -> bool:
        return self._reading is not None and self._reading.speaks_frames

    async def _ask_directory(self, carrier: Carrier, underlay: Underlay, stop: asyncio.Event) -> None:
        """Learn of new relays and services within seconds."""
        while not await pause(stop, ASK_DIRECTORY_ASLEEP_S if self._judge.asleep else ASK_DIRECTORY_S):
            try:
                version = self._directory.version
                document = await fetch_newer(self._directory.gateway_address, DIRECTORY_PORT, version)
                if document is None:
                    continue
                self._directory = self._memory.accept(document, time.time())
                self._ways.take(self._directory)
                self._ways.resolved(await lookup.find(self._ways.hosts()), time.monotonic())
                await underlay.take(self._directory, self._ways.endpoints())
            except (PeerError, WorldError) as error:
                log.warning("directory-refused", code=error.code, reason=str(error))
                continue
            self._call(carrier, underlay)
            log.info("directory", version=self._directory.version, paths=len(self._ways.paths()))

    async def _check(
        self, carrier: Carrier, underlay: Underlay, split: SplitNames | None, stop: asyncio.Event
    ) -> None:
        """Follow what changes around us: networks, names of relays, the machine's resolver."""
        looked_up_at = time.monotonic()
        while not await pause(stop, CHECK_S):
            now = time.monotonic()
            self._counters = carrier.counters()
            try:
                if now - looked_up_at > LOOK_UP_AGAIN_S:
                    looked_up_at = now
                    if self._ways.resolved(await lookup.find(self._ways.hosts()), now):
                        self._call(carrier, underlay)
                await underlay.check(self._ways.endpoints())
                if split is not None:
                    split.check()
            except WorldError as error:
                log.warning("not-followed", code=error.code, reason=str(error))

    def _snapshot(self) -> JoinStatus:
        return snapshot(
            self._holding,
            self._directory,
            self._options.interface,
            self._reading,
            self._judge,
            self._ways,
            device.counts(self._options.interface),
            self._counters,
        )


async def _following(task: "asyncio.Task[None]") -> None:
    await task


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
