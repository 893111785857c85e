"""One class on a stage: the call and the replay at both ends, started together, watched, and scored."""

import os
import sys
from typing import Final

from carnet.lab import replay, trace
from carnet.lab.call import media
from carnet.lab.call.side import CONNECT_S
from carnet.lab.programs import Program
from carnet.lab.score import Score, score
from carnet.lab.stage import Stage
from carnet.lab.trace import Rows
from carnet.lab.world import Class

TRAFFIC: Final = "CARNET_LAB_TRAFFIC"
"""Environment variable: path of a recording (.csv) to replay instead of a generated shape."""

# What calls do too: a rate buys so many pixels, from the best that it reaches.
_PICTURES: Final = ((500_000, (1280, 720)), (250_000, (640, 352)), (0, (320, 176)))
_ENCODING_S: Final = 90.0
"""Patience with the first run, which encodes the lecture."""


def prepare(lesson: Class, seed: int) -> None:
    """Encode what the class will show and say, so that no end does it while the other waits."""
    media.audio(seed)
    for bits_per_s in (lesson.down_bps, lesson.up_bps):
        media.video(*_picture(bits_per_s), bits_per_s, seed)


def _picture(bits_per_s: int) -> tuple[int, int]:
    return next(size for least, size in _PICTURES if bits_per_s >= least)


class Lesson:
    """The class of a world.  `set_up`, then `begin`; `scores` whenever wanted; `finish`."""

    def __init__(self, stage: Stage, seconds: float, seed: int) -> None:
        self._stage = stage
        self._seconds = seconds
        self._seed = seed
        self._folder = stage.hosts.folder
        self._student = stage.world.only("student").name
        self._classroom = stage.world.only("classroom").name
        self._programs: list[Program] = []
        self._begin_s = 0.0

    async def set_up(self, student_address: str) -> None:
        """Connect call and replay; `student_address` is the one the student's packets to the classroom carry.

        Raises:
            WorldError: an end failed, or they do not hear each other.
        """
        await self._set_up_call(student_address)
        if self._stage.world.lesson.replay:
            await self._set_up_replay()

    async def _set_up_call(self, student_address: str) -> None:
        lesson = self._stage.world.lesson
        classroom_address = self._stage.address(self._classroom)
        student = await self._call("student", student_address, lesson.up_bps)
        classroom = await self._call("classroom", classroom_address, lesson.down_bps)
        await classroom.tell(offer=await student.hear("offer", _ENCODING_S))
        await student.tell(answer=await classroom.hear("answer", _ENCODING_S))
        for end in (student, classroom):
            await end.hear("connected", CONNECT_S + 5)

    async def _call(self, role: str, address: str, video_bps: int) -> Program:
        host = self._student if role == "student" else self._classroom
        size = _picture(video_bps)
        picture = ("--picture", f"{size[0]}x{size[1]}", "--video-bps", str(video_bps))
        return await self._start(host, "carnet.lab.call", role, "--address", address, *picture)

    async def _set_up_replay(self) -> None:
        shape = os.environ.get(TRAFFIC) or self._stage.world.lesson.replay
        where = ("--classroom", self._stage.address(self._classroom), "--shape", shape)
        ends = [
            await self._start(host, "carnet.lab.replay", role, *where)
            for role, host in (("classroom", self._classroom), ("student", self._student))
        ]
        for end in ends:
            await end.hear("connected", replay.CONNECT_S + 5)

    async def _start(self, host: str, module: str, *argv: str) -> Program:
        length = ("--seconds", str(self._seconds), "--seed", str(self._seed), "--out", str(self._folder))
        program = await self._stage.start(host, sys.executable, "-m", module, *argv, *length)
        self._programs.append(program)
        return program

    async def begin(self, at_s: float) -> None:
        """Let everything start at `at_s` (CLOCK_MONOTONIC)."""
        self._begin_s = at_s
        for program in self._programs:
            await program.tell(begin=at_s)

    async def finish(self) -> None:
        """Return when the last packet had its chance to arrive."""
        for program in self._programs:
            await program.hear("done", self._seconds + 30)

    def scores(self, until_s: float | None = None) -> tuple[Score, Score]:
        """Return the scores down and up, of the whole class or of its first `until_s` seconds."""
        seconds = self._seconds if until_s is None else min(until_s, self._seconds)
        ends = (("classroom", "student"), ("student", "classroom"))
        down, up = (
            score(self._rows(a, "sent"), self._rows(b, "got"), self._begin_s, seconds) for a, b in ends
        )
        return down, up

    def _rows(self, role: str, what: str) -> Rows:
        return trace.joined([self._folder / f"{role}-{what}", self._folder / f"{role}-replay-{what}"])


async def student_address(stage: Stage) -> str:
    """Return the address from which the student's packets to the classroom leave, tunnel or not."""
    classroom = stage.address(stage.world.only("classroom").name)
    # A connected UDP socket sends nothing and has the address its packets would carry.
    ask = "import socket as s,sys; u=s.socket(2,2); u.connect((sys.argv[1],9)); print(u.getsockname()[0])"
    return (await stage.run(stage.world.only("student").name, sys.executable, "-c", ask, classroom)).strip()
