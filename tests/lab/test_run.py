"""A whole class in a small world, as root and as nobody: what the links did is what the scores say."""

import json
import os
import pwd
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import msgspec
import pytest

from carnet.lab import run, userns, world
from carnet.lab.result import DIRECT, Evening
from carnet.lab.run import Moment, Plan
from carnet.lab.tunnels import registry
from carnet.lab.world import World

pytestmark = [pytest.mark.root, pytest.mark.slow]
needs_rights = pytest.mark.skipif(
    userns.needed() or not Path("/dev/net/tun").exists(), reason="needs root and /dev/net/tun to make hosts"
)

SMALL = """
title = "Half of what comes down is lost, then nothing"
source = "made up for a test"
[class]
down_bps = 200_000
up_bps = 100_000
[[host]]
name = "student"
role = "student"
addresses = ["192.0.2.1"]
[[host]]
name = "campus"
role = "campus"
addresses = ["203.0.113.1"]
[[host]]
name = "room"
role = "classroom"
addresses = ["203.0.113.80"]
[[host]]
name = "near"
role = "relay"
addresses = ["198.51.100.1"]
[[link]]
from = "campus"
to = "student"
delay_s = 0.030
loss = 0.5
[[link]]
from = "student"
to = "campus"
delay_s = 0.020
[[link]]
from = "near"
to = "campus"
both = true
delay_s = 0.001
[[link]]
from = "near"
to = "student"
both = true
delay_s = 0.010
[[link]]
from = "campus"
to = "room"
both = true
delay_s = 0.0
[[event]]
at_s = 2.5
action = "kill"
host = "in-use"
"""

INSIDE = """
import sys
import msgspec
from carnet.lab import run, userns, world
from carnet.lab.tunnels import registry
if userns.needed():
    userns.enter([sys.executable, *sys.argv])
plan = run.Plan("small", world.parse(open(sys.argv[1]).read()), registry.named("direct"), 5.0, 1, 0)
sys.stdout.buffer.write(msgspec.json.encode(run.run(plan, lambda moment: None)))
"""


def small(text: str = SMALL) -> World:
    return world.parse(text)


def check_direct(evening: Evening) -> None:
    (result,) = evening.results
    assert result.failure == ""
    assert result.down is not None
    assert result.up is not None
    # Half is lost until the event at 2.5 s, all of it afterwards; the bounds are six deviations wide.
    before = result.down.score.timeline.loss[:5]
    assert 0.25 < sum(before) / len(before) < 0.75
    assert result.down.score.timeline.loss[6:] == [1.0] * 4
    assert result.up.score.timeline.loss[:4] == [0.0] * 4
    assert result.up.score.delay_s[0] >= 0.020
    assert result.happened[0].what == "the direct way, then in use, died"
    assert all(step.get("near", 0) == 0 for step in result.down.paths)
    assert sum(step[DIRECT] for step in result.down.paths) == result.down.wire.octets
    assert result.down.wire.octets > result.down.score.useful_bytes > 0


@needs_rights
def test_a_class_without_a_tunnel_meets_what_the_world_says() -> None:
    moments: list[Moment] = []
    evening = run.run(Plan("small", small(), registry.named("direct"), 5.0, 1, 0), moments.append)
    check_direct(evening)
    assert [moment.doing for moment in moments if moment.doing != "class"] == [
        "setting up",
        "settling",
        "done",
    ]
    assert moments[-1].path == DIRECT


@needs_rights
def test_a_tunnel_that_cannot_be_is_a_result_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
    monkeypatch.setattr("shutil.which", lambda tool: None if tool == "wireguard-go" else f"/usr/bin/{tool}")
    (result,) = run.run(
        Plan("small", small(), registry.named("wireguard"), 5.0, 1, 0), lambda moment: None
    ).results
    assert result.down is None
    assert "wireguard-go" in result.failure


@needs_rights
def test_carnet_carries_a_class_and_its_download_around_a_loss() -> None:
    quiet = SMALL.replace("[[event]]\nat_s = 2.5", "[[event]]\nat_s = 60")
    plan = Plan(
        "small", small(quiet.replace("loss = 0.5", "loss = 0.0")), registry.named("carnet"), 5.0, 1, 10.0
    )
    (result,) = run.run(plan, lambda moment: None).results
    assert result.failure == ""
    assert result.down is not None
    assert (result.down.score.frames_missing, result.down.score.packets_lost) == (0, 0)
    assert result.download is not None
    assert result.download.octets == result.download.size


@needs_rights
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_lab_told_to_stop_leaves_nothing_running(how: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    command = [sys.executable, "-c", "import sys; from carnet.cli.main import main; sys.exit(main())", "lab"]
    asked = [str(tmp_path / "small.toml"), "--tunnels", "wireguard", "--seconds", "60"]
    with subprocess.Popen([*command, *asked], stdout=subprocess.PIPE, text=True) as lab:
        assert lab.stdout is not None
        said: list[str] = []
        while not said or (said[-1] and "settling" not in said[-1]):
            said.append(lab.stdout.readline())
        assert said[-1], "".join(said)
        space = f"carnet-lab-{lab.pid}-student"
        pids = subprocess.run(
            ["ip", "netns", "pids", space], capture_output=True, text=True, check=True
        ).stdout.split()
        assert len(pids) >= 2, "wireguard-go and one end of the call"
        lab.send_signal(how)
        assert lab.wait() == 130
    assert not Path("/run/netns", space).exists()
    assert not any(Path("/proc", pid).exists() for pid in pids)


def reachable_by(user: str) -> str | None:
    """Return an interpreter of this version that `user` may run; ours often lives in somebody's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for interpreter in (sys.executable, f"/usr/bin/{version}"):
        tried = subprocess.run(as_user(user, interpreter, "-c", ""), capture_output=True, check=False)
        if tried.returncode == 0:
            return interpreter
    return None


def as_user(user: str, *argv: str) -> list[str]:
    if os.geteuid() != 0:
        return list(argv)
    entry = pwd.getpwnam(user)
    # The shell in between: setpriv itself still has root's rights when it looks for what to run.
    shell = ["sh", "-c", 'exec "$0" "$@"']
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", *shell, *argv]


def test_a_class_needs_no_root_where_user_namespaces_are_allowed() -> None:
    user = "nobody"
    interpreter = reachable_by(user)
    allowed = subprocess.run(
        as_user(user, "unshare", "--user", "--map-root-user", "--net", "true"), check=False
    )
    if interpreter is None or allowed.returncode != 0:
        pytest.skip("no interpreter that nobody may run, or no user namespaces here")
    room = Path("/tmp") / f"carnet-nobody-{os.getpid()}"
    room.mkdir(mode=0o777)
    room.chmod(0o777)
    try:
        (room / "small.toml").write_text(SMALL)
        (room / "inside.py").write_text(INSIDE)
        paths = [str(Path(run.__file__).parents[2]), sysconfig.get_paths()["purelib"]]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(room),
            "XDG_CACHE_HOME": str(room),
            "PYTHONPATH": os.pathsep.join(paths),
        }
        command = as_user(user, interpreter, str(room / "inside.py"), str(room / "small.toml"))
        done = subprocess.run(command, capture_output=True, env=environment, cwd=room, check=False)
        assert done.returncode == 0, done.stderr.decode()
        check_direct(msgspec.json.decode(done.stdout, type=Evening))
        assert json.loads(done.stdout)["world"] == "small"
    finally:
        subprocess.run(["rm", "-rf", str(room)], check=True)
