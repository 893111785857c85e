"""A real call and a real replay over loopback: two processes each, everything arrives and is traced."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from carnet.lab import trace
from carnet.lab.call import media
from carnet.lab.score import score
from carnet.lab.trace import AUDIO, REPLAY, VIDEO

SECONDS = 3.0
VIDEO_BPS = 200_000
PICTURE = (320, 176)
LEAD_S = 0.5

End = subprocess.Popen[str]


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(ends: ExitStack, *argv: str) -> End:
    command = [sys.executable, "-m", *argv, "--seconds", str(SECONDS), "--seed", "1"]
    end = ends.enter_context(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
    )
    ends.callback(end.kill)
    return end


def hear(end: End, word: str) -> object:
    assert end.stdout is not None
    fact = json.loads(end.stdout.readline())
    assert word in fact, fact
    return fact[word]


def tell(end: End, **fact: object) -> None:
    assert end.stdin is not None
    end.stdin.write(json.dumps(fact) + "\n")
    end.stdin.flush()


def hold(*pair: End) -> float:
    for end in pair:
        assert hear(end, "connected") is True
    begin_s = time.monotonic() + LEAD_S
    for end in pair:
        tell(end, begin=begin_s)
    for end in pair:
        assert hear(end, "done") is True
    return begin_s


def test_a_call_arrives_whole_in_both_directions(ends: ExitStack, tmp_path: Path) -> None:
    media.video(*PICTURE, VIDEO_BPS, seed=1)
    media.audio(seed=1)
    side = (
        "--address",
        "127.0.0.1",
        "--picture",
        f"{PICTURE[0]}x{PICTURE[1]}",
        "--video-bps",
        str(VIDEO_BPS),
    )
    student = start(ends, "carnet.lab.call", "student", *side, "--out", str(tmp_path))
    classroom = start(ends, "carnet.lab.call", "classroom", *side, "--out", str(tmp_path))
    tell(classroom, offer=hear(student, "offer"))
    tell(student, answer=hear(classroom, "answer"))
    begin_s = hold(student, classroom)
    for far, near in (("student", "classroom"), ("classroom", "student")):
        sent, got = trace.read(tmp_path / f"{far}-sent"), trace.read(tmp_path / f"{near}-got")
        assert set(sent["medium"].tolist()) == {AUDIO, VIDEO}
        result = score(sent, got, begin_s, SECONDS)
        assert result.frames == SECONDS * 25
        assert result.sounds == SECONDS * 50
        assert (result.packets_lost, result.frames_missing) == (0, 0)
        # What is traced is what was encoded: the payload descriptor of VP8 adds 4 octets a packet at most.
        encoded = sum(map(len, media.video(*PICTURE, VIDEO_BPS, seed=1).units[: result.frames]))
        first = sent[
            (sent["medium"] == VIDEO) & (sent["again"] == 0) & (sent["at_ns"] < (begin_s + SECONDS) * 1e9)
        ]
        assert encoded <= first["size"].sum() <= encoded + 4 * len(first)


def test_a_replay_arrives_whole_in_both_directions(ends: ExitStack, tmp_path: Path) -> None:
    where = ("--classroom", "127.0.0.1", "--shape", "voice", "--out", str(tmp_path))
    classroom = start(ends, "carnet.lab.replay", "classroom", *where)
    student = start(ends, "carnet.lab.replay", "student", *where)
    begin_s = hold(classroom, student)
    for far, near in (("student", "classroom"), ("classroom", "student")):
        sent = trace.read(tmp_path / f"{far}-replay-sent")
        got = trace.read(tmp_path / f"{near}-replay-got")
        assert set(sent["medium"].tolist()) == {REPLAY}
        result = score(sent, got, begin_s, SECONDS)
        assert result.packets == len(sent) > 30
        assert result.packets_lost == 0
        assert result.useful_bytes == sent["size"].sum()


def test_a_call_to_nobody_says_why_it_failed(
    ends: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--classroom", "127.0.0.1", "--shape", "song", "--out", str(tmp_path))
    end = start(ends, "carnet.lab.replay", "student", *where)
    assert "no shape" in str(hear(end, "failed"))
    assert end.wait() == 2


def test_a_download_ends_or_is_stopped(ends: ExitStack) -> None:
    server = ends.enter_context(
        subprocess.Popen(
            [sys.executable, "-m", "carnet.lab.download", "classroom", "--bytes", "300000"],
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    ends.callback(server.kill)
    assert hear(server, "serving") is True
    fetch = [sys.executable, "-m", "carnet.lab.download", "student", "--classroom", "127.0.0.1"]
    whole = json.loads(subprocess.run([*fetch, "--bytes", "300000"], capture_output=True, check=True).stdout)
    assert whole["download"]["octets"] == 300_000
    stopped = json.loads(subprocess.run([*fetch, "--limit-s", "0"], capture_output=True, check=True).stdout)
    assert stopped["download"]["octets"] == 0
