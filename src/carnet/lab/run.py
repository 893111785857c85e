"""Runs one class in one world over one tunnel after another, each from the same beginning."""

import asyncio
import os
import platform
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import msgspec

from carnet.errors import Error
from carnet.lab import hosts, lesson
from carnet.lab.busy import Stalls, take_precedence
from carnet.lab.download import SIZE_BYTES
from carnet.lab.emulation import Emulation
from carnet.lab.lesson import Lesson
from carnet.lab.result import DIRECT, Direction, Download, Evening, Happening, Result, Wire
from carnet.lab.score import SLOT_S, Score
from carnet.lab.stage import Stage
from carnet.lab.tunnels.registry import Tunnel
from carnet.lab.world import IN_USE, Event, Kill, Readdress, SetLink, Start, World

SETTLE_S: Final = 3.0
"""How long a tunnel sees the world as it is before the class starts."""
LEAD_S: Final = 0.3
DOWNLOAD_S: Final = 12.0


@dataclass(frozen=True, slots=True)
class Moment:
    """How it stands, for whoever watches."""

    tunnel: str
    doing: str
    elapsed_s: float = 0.0
    frames_late: float | None = None
    """Share of the video frames to the student so far."""
    loss: float | None = None
    mos: float | None = None
    path: str = ""


Watcher = Callable[[Moment], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    name: str
    world: World
    tunnels: Sequence[Tunnel]
    seconds: float = 30.0
    seed: int = 1
    download_s: float = DOWNLOAD_S
    """Time for the download after the class; 0 leaves it out."""


async def evening(plan: Plan, watch: Watcher) -> Evening:
    """Hold the class over every tunnel of the plan; one that fails is a result, not an end.

    Raises:
        NoRightsError, NoTunError, WorldError: the machine cannot run the lab at all.
    """
    hosts.check_rights()
    take_precedence()
    lesson.prepare(plan.world.lesson, plan.seed)
    results = [await _attempt(plan, tunnel, watch) for tunnel in plan.tunnels]
    return Evening(
        world=plan.name,
        title=plan.world.title,
        source=plan.world.source.strip(),
        seed=plan.seed,
        seconds=plan.seconds,
        machine=f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}",
        results=results,
    )


async def _attempt(plan: Plan, tunnel: Tunnel, watch: Watcher) -> Result:
    watch(Moment(tunnel.name, "setting up"))
    try:
        async with _staged(plan) as stage:
            result = await Performance(plan, tunnel, stage, watch).hold()
    except Error as error:
        watch(Moment(tunnel.name, f"failed: {error}"))
        return Result(tunnel=tunnel.name, title=tunnel.title, failure=f"{error.code}: {error}")
    return result


@asynccontextmanager
async def _staged(plan: Plan) -> AsyncIterator[Stage]:
    with hosts.opened() as spaces:
        emulation = Emulation(plan.world, spaces, plan.seed)
        stage = Stage(plan.world, spaces, emulation)
        try:
            yield stage
        finally:
            await stage.clear()
            emulation.close()


class Performance:
    """One class over one tunnel: `hold` does it all."""

    def __init__(self, plan: Plan, tunnel: Tunnel, stage: Stage, watch: Watcher) -> None:
        self._plan, self._tunnel, self._stage, self._watch = plan, tunnel, stage, watch
        self._student = plan.world.only("student").name
        self._relays = {relay.name for relay in plan.world.relays}
        self._lesson = Lesson(stage, plan.seconds, plan.seed)
        self._samples: list[dict[tuple[str, str], tuple[int, int]]] = []
        self._happened: list[Happening] = []
        self._stalls = Stalls()

    async def hold(self) -> Result:
        """Set up, settle, teach, download; return what came of it."""
        await self._tunnel.up(self._stage)
        await self._lesson.set_up(await lesson.student_address(self._stage))
        self._stage.emulation.worsen()
        self._say("settling")
        await asyncio.sleep(SETTLE_S)
        begin_s = time.monotonic() + LEAD_S
        await self._lesson.begin(begin_s)
        with self._stalls:
            await self._teach(begin_s)
        await self._lesson.finish()
        down, up = self._lesson.scores()
        download = await self._download() if self._plan.download_s else None
        self._say("done", self._plan.seconds, down)
        return Result(
            tunnel=self._tunnel.name,
            title=self._tunnel.title,
            down=self._direction(down, is_down=True),
            up=self._direction(up, is_down=False),
            download=download,
            happened=self._happened,
            stalled=round(self._stalls.share, 5),
        )

    async def _teach(self, begin_s: float) -> None:
        watching = asyncio.create_task(self._tell(begin_s))
        try:
            await self._sample_and_perform(begin_s)
        finally:
            watching.cancel()

    async def _sample_and_perform(self, begin_s: float) -> None:
        events = list(self._plan.world.events)
        slots = int(self._plan.seconds / SLOT_S)
        for slot in range(slots + 1):
            due_s = slot * SLOT_S
            while events and events[0].at_s < due_s:
                await _until(begin_s + events[0].at_s)
                await self._perform(events.pop(0))
            await _until(begin_s + due_s)
            self._samples.append(self._sample())

    async def _tell(self, begin_s: float) -> None:
        """Say how it stands about once a second, scored in a thread so that no sample comes late."""
        for elapsed_s in range(1, int(self._plan.seconds)):
            await _until(begin_s + elapsed_s)
            # The last second is not over: its packets may yet come.
            scored = await asyncio.to_thread(self._lesson.scores, elapsed_s - 1.0) if elapsed_s > 2 else None
            self._say("class", elapsed_s, scored[0] if scored else None)

    async def _perform(self, event: Event) -> None:
        in_use = self._in_use()
        await self._stage.perform(event, "" if in_use == DIRECT else in_use)
        self._happened.append(Happening(at_s=event.at_s, what=_in_words(event, in_use)))

    async def _download(self) -> Download:
        self._say("download", self._plan.seconds)
        world = self._plan.world
        classroom = world.only("classroom").name
        module = ("-m", "carnet.lab.download")
        server = await self._stage.start(classroom, sys.executable, *module, "classroom")
        await server.hear("serving", 15)
        limit = ("--limit-s", str(self._plan.download_s))
        where = ("--classroom", self._stage.address(classroom))
        student = await self._stage.start(self._student, sys.executable, *module, "student", *where, *limit)
        fetched = await student.hear("download", self._plan.download_s + 30)
        return msgspec.convert({"size": SIZE_BYTES} | fetched, Download)

    def _sample(self) -> dict[tuple[str, str], tuple[int, int]]:
        return {
            (link.source, link.target): (link.packets, link.octets)
            for link in self._stage.emulation.carried()
        }

    def _in_use(self) -> str:
        """Return the way that carried most to the student lately."""
        if len(self._samples) < 2:
            return DIRECT
        recent = self._by_way(self._samples[-2], self._samples[-1], is_down=True)
        return max(recent, key=lambda way: recent[way][1], default=DIRECT)

    def _by_way(
        self,
        before: dict[tuple[str, str], tuple[int, int]],
        after: dict[tuple[str, str], tuple[int, int]],
        *,
        is_down: bool,
    ) -> dict[str, tuple[int, int]]:
        """Return packets and octets between two samples on the student's links, by way."""
        ways: dict[str, tuple[int, int]] = {}
        for (source, target), (packets, octets) in after.items():
            here, far = (target, source) if is_down else (source, target)
            if here != self._student:
                continue
            way = far if far in self._relays else DIRECT
            old_packets, old_octets = before.get((source, target), (0, 0))
            more = ways.get(way, (0, 0))
            ways[way] = (more[0] + packets - old_packets, more[1] + octets - old_octets)
        return ways

    def _direction(self, scored: Score, *, is_down: bool) -> Direction:
        total = self._by_way(self._samples[0], self._samples[-1], is_down=is_down).values()
        steps = zip(self._samples, self._samples[1:], strict=False)
        return Direction(
            score=scored,
            wire=Wire(packets=sum(way[0] for way in total), octets=sum(way[1] for way in total)),
            paths=[
                {way: octets for way, (_, octets) in self._by_way(a, b, is_down=is_down).items()}
                for a, b in steps
            ],
        )

    def _say(self, doing: str, elapsed_s: float = 0.0, down: Score | None = None) -> None:
        if down is None:
            self._watch(Moment(self._tunnel.name, doing, elapsed_s))
            return
        self._watch(
            Moment(
                self._tunnel.name,
                doing,
                elapsed_s,
                down.frames_late / max(down.frames, 1),
                down.packets_lost / max(down.packets, 1),
                down.mos,
                self._in_use(),
            )
        )


def _in_words(event: Event, in_use: str) -> str:
    """Return what an event did."""
    match event:
        case SetLink():
            return f"the link from {event.source} to {event.target} changed"
        case Readdress():
            return f"{event.host} got the address {event.addresses[0]}"
        case Start():
            return f"{event.host} started again"
        case Kill() if event.host != IN_USE:
            return f"{event.host} died"
        case Kill() if in_use == DIRECT:
            return "the direct way, then in use, died"
        case Kill():
            return f"the relay {in_use}, then in use, died"


async def _until(at_s: float) -> None:
    await asyncio.sleep(max(0.0, at_s - time.monotonic()))


def run(plan: Plan, watch: Watcher) -> Evening:
    """Run `evening` to its end, from a program's main thread; SIGTERM and SIGINT end it without a trace.

    Raises:
        KeyboardInterrupt: it was told to end.
    """

    async def stoppable() -> Evening:
        task = asyncio.ensure_future(evening(plan, watch))
        # Both by hand: a shell starts background jobs with SIGINT ignored, and asyncio leaves it so.
        for end in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(end, task.cancel)
        return await task

    try:
        return asyncio.run(stoppable())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
