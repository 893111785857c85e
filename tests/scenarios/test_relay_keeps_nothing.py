"""A relay at work: what it writes, holds, may do and says.  Each search is first shown to find."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from carnet.lab.programs import Program
from carnet.seal.keys import key_from_text, wireguard_public
from tests.scenarios import classroom, processes, scene, worlds
from tests.scenarios.scene import Scene

pytestmark = [scene.needs_root, pytest.mark.root]


@dataclass
class Seen:
    """A relay after it carried a part of a class, with the class still on."""

    scene: Scene
    campus: Program
    relay: Program
    join: Program
    paper: Path
    trace: Path


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    with scene.opened(worlds.RELAY_ONLY) as small:
        small.found("one")
        # So that Python has its own bytecode in place and needs not write any.
        small.must("one", "relay", "run", "--help")
        trace = small.stage.hosts.folder / "relay.strace"
        wrapped_in = processes.strace(trace) if scene.has("strace") else []
        campus, relay = small.gate(), small.relay("one", *wrapped_in)
        paper = small.issue("li")
        join = small.join(paper)
        with classroom.opened(small):
            assert (
                classroom.fetch(small, 300_000, (small.address("classroom"), classroom.WEB_PORT)) == 300_000
            )
            yield Seen(small, campus, relay, join, paper, trace)


@scene.needs("strace")
def test_it_writes_nothing_to_disk(seen: Seen) -> None:
    trace = seen.trace.read_text()
    assert processes.changes(trace) == []
    assert str(seen.scene.directory) in trace
    # The control: a command of ours that does write is caught by the same search.
    control = seen.trace.with_suffix(".control")
    out = seen.scene.home / "written"
    words = seen.scene.argv("campus", "campus", "directory", str(seen.scene.campus), "--out", str(out))
    assert seen.scene.run("campus", *processes.strace(control), *words).returncode == 0
    assert any(out.name in line for line in processes.changes(control.read_text()))


def test_it_has_no_file_open_for_writing_but_its_log(seen: Seen) -> None:
    assert processes.written_files(seen.scene.pid(seen.relay)) == [str(seen.relay._errors)]
    assert any(
        path.startswith(str(seen.scene.campus))
        for path in processes.written_files(seen.scene.pid(seen.campus))
    )


def secrets(seen: Seen) -> dict[str, bytes]:
    """Return the private keys of everyone in this class."""
    keys = {name: (seen.scene.campus / name).read_text() for name in ("signing.key", "gateway.key")}
    keys["student"] = seen.paper.read_text().splitlines()[-1]
    return {name: key_from_text(text.strip()) for name, text in keys.items()}


def test_it_holds_no_key(seen: Seen) -> None:
    keys = secrets(seen)
    looks = {name: {key, key[::-1], b64encode(key), key.hex().encode()} for name, key in keys.items()}
    mine = processes.memory(seen.scene.pid(seen.relay))
    assert {name for name, forms in looks.items() if processes.present(forms, mine)} == set()
    # The control: whoever needs a key has it where this search looks.
    campus = processes.memory(seen.scene.pid(seen.campus))
    assert processes.present(looks["gateway.key"], campus)
    student = processes.memory(seen.scene.pid(seen.join))
    assert processes.present(looks["student"], student)
    # And the relay's memory was really read: the public key it admits by is there.
    assert processes.present([wireguard_public(keys["gateway.key"])], mine)


def test_it_runs_as_nobody_and_may_nothing(seen: Seen) -> None:
    threads = processes.threads(seen.scene.pid(seen.relay))
    assert len(threads) > 1
    for status in threads:
        assert status["Uid"].split() == ["65534"] * 4
        assert status["Gid"].split() == ["65534"] * 4
        assert status["NoNewPrivs"] == "1"
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[kind], 16) == 0, (status["Name"], kind)
    # The control: the campus needs one right, and this reading shows it.
    assert all(int(one["CapEff"], 16) for one in processes.threads(seen.scene.pid(seen.campus)))


def looks_of_addresses(small: Scene) -> set[str]:
    """Return every address of the world as text, reversed, by octets the other way round, and in hex."""
    found = set()
    for host in small.stage.world.hosts:
        for address in host.addresses:
            octets = address.split(".")
            found |= {address, address[::-1], ".".join(octets[::-1])}
            found |= {
                "".join(f"{int(octet):02x}" for octet in octets),
                "".join(f"{int(octet):02X}" for octet in octets),
            }
    return found


def test_its_log_has_no_address(seen: Seen) -> None:
    seen.scene.stop(seen.relay)
    said = seen.scene.log(seen.relay)
    assert "stopped" in said
    looks = looks_of_addresses(seen.scene)
    assert {look for look in looks if look in said} == set()
    # The control: where addresses are, this search finds them.
    directory = seen.scene.directory.read_text()
    assert {seen.scene.address(host) for host in ("campus", "one")} <= {
        look for look in looks if look in directory
    }
