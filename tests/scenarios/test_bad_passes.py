"""Passes and directories that are not right: each refused with its own word, and nothing left behind."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from carnet.errors import PeerError
from carnet.node import founding
from carnet.node.store import Store
from carnet.seal.keys import key_from_text, new_wireguard_key, verifying_key, wireguard_public
from carnet.tunnel import passes
from tests.scenarios import machine, scene, worlds
from tests.scenarios.scene import INTERFACE, Scene

pytestmark = [scene.needs_root, pytest.mark.root]

DAY_S = 86_400
PEER, WORLD = 3, 4


@pytest.fixture(scope="module")
def small() -> Iterator[Scene]:
    """A campus that runs, and a student who has not joined."""
    with scene.opened(worlds.ALL_WAYS) as made:
        made.found()
        made.gate()
        yield made


def refused(small: Scene, paper: bytes, status: int, code: str) -> None:
    """Try to join with this pass: one line, its status and code, no trace of a try."""
    file = small.home / "bad.pass"
    file.write_bytes(paper)
    before = machine.look(small, "student")
    done = small.carnet("student", "join", str(file), "--interface", INTERFACE)
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert (done.returncode, done.stdout) == (status, "")
    assert len(said) == 1, done.stderr
    assert said[0].startswith(f"{code}: ")
    assert "Traceback" not in done.stderr
    # The key a pass holds is in no message.
    assert paper.split(b"\n")[-2].decode("ascii", "replace") not in done.stderr
    assert machine.look(small, "student") == before


def written(small: Scene, *, issued: int, expires: int) -> bytes:
    """Return a pass with dates of our choice, signed by the campus' own key."""
    key, now = new_wireguard_key(), int(time.time())
    signing = key_from_text((small.campus / "signing.key").read_text().strip())
    with Store(small.campus) as store:
        document = store.directory()[1]
    signed = passes.Pass(
        campus="lab",
        signing_key=verifying_key(signing),
        student="li",
        public_key=wireguard_public(key),
        number=9,
        issued=now + issued,
        expires=now + expires,
    )
    return passes.write(signed, signing, document, key)


def test_a_pass_cut_short_anywhere(small: Scene) -> None:
    whole = small.issue("cut").read_bytes()
    refused(small, whole[: len(whole) // 2], PEER, "malformed-document")
    # Everywhere else the same reader answers: no cut is ever taken for a pass.
    for length in range(0, len(whole), 7):
        with pytest.raises(PeerError):
            passes.read(whole[:length], time.time())


def test_a_pass_that_was_edited(small: Scene) -> None:
    whole = small.issue("edited").read_bytes()
    refused(small, whole.replace(b'"student":"edited"', b'"student":"editor"'), PEER, "bad-signature")


def test_a_pass_that_has_expired(small: Scene) -> None:
    refused(small, written(small, issued=-9 * DAY_S, expires=-DAY_S), PEER, "expired")


def test_a_clock_before_the_pass_was_issued(small: Scene) -> None:
    refused(small, written(small, issued=9 * DAY_S, expires=19 * DAY_S), WORLD, "clock-wrong")


def other_campus(home: Path) -> bytes:
    """Return a pass of a campus that has the same name and endpoint, and other keys."""
    founding.found(
        home,
        name="lab",
        endpoint="203.0.113.1:51820",
        network="10.78.0.0/16",
        services=[],
        allowed=[],
        now=int(time.time()),
    )
    with Store(home) as store, store.issuing("li", int(time.time())) as file:
        return bytes(file)


def test_a_pass_of_another_campus(small: Scene) -> None:
    theirs = other_campus(small.home / "other").split(b"\n")
    mine = small.issue("mine").read_bytes().split(b"\n")
    # Their directory under our pass: it would send the student to their gateway.
    refused(small, b"\n".join([*mine[:3], *theirs[3:6], *mine[6:]]), PEER, "other-campus")
    # Their key under our pass.
    refused(small, b"\n".join([*mine[:7], *theirs[7:]]), PEER, "other-campus")
    # All of it theirs, and they say they live here: this campus does not know their students.
    refused(small, b"\n".join(theirs), WORLD, "no-answer")


def test_a_pass_that_was_revoked(small: Scene) -> None:
    paper = small.issue("gone")
    join = small.join(paper)
    small.stop(join)
    small.revoke("gone")
    refused(small, paper.read_bytes(), WORLD, "no-answer")


def test_a_directory_rolled_back_is_noticed(small: Scene) -> None:
    early = small.issue("early")
    old = small.home / "old.directory"
    with Store(small.campus) as store:
        old.write_bytes(store.directory()[1])
    small.add_relay("one")
    late = small.issue("late")
    small.stop(small.join(late))
    # The earlier pass brings the earlier directory; the machine remembers the later one, which has a relay.
    argv = small.argv("student", "join", str(early), "--interface", INTERFACE)
    join = small.do(small.stage.start("student", *argv))
    assert small.ready(join, "ready joined").endswith("paths 2")
    assert small.status()["directory_version"] == 2
    small.stop(join)
    # The control: a machine that never saw the later one knows one way only.
    words = ("pass", "wireguard", str(late), "--directory", str(old))
    done = small.carnet("student", *words)
    assert (done.returncode, done.stderr.split(":")[0]) == (PEER, "rolled-back")
    assert small.carnet("student", *words[:3]).returncode == 0
