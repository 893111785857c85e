"""Path ids stay with their relays; hosts with several addresses are tried in turn."""

from msgspec.structs import replace

from carnet.tunnel.directory import RelayEntry
from carnet.tunnel.ways import TRY_NEXT_AFTER_S, Ways
from tests.tunnel.samples import DIRECTORY

FOUND = {
    "vpn.example.edu": ["192.0.2.1", "2001:db8::1"],
    "198.18.2.2": ["198.18.2.2"],
    "2001:db8::2": ["2001:db8::2"],
}


def ways() -> Ways:
    made = Ways()
    made.take(DIRECTORY)
    made.resolved(FOUND, 0.0)
    return made


def test_direct_is_path_zero_and_relays_follow() -> None:
    assert ways().paths() == [(0, "192.0.2.1:51820"), (1, "198.18.2.2:51820"), (2, "[2001:db8::2]:443")]
    assert [ways().name(path) for path in (0, 2, 9)] == ["direct", "relay tokyo", "path 9"]


def test_a_relay_keeps_its_id_when_others_come_and_go() -> None:
    made = ways()
    new = RelayEntry("paris", "198.18.9.9:1", "", "FR")
    made.take(replace(DIRECTORY, relays=(new, DIRECTORY.relays[1])))
    made.resolved(FOUND | {"198.18.9.9": ["198.18.9.9"]}, 1.0)
    assert made.paths() == [(0, "192.0.2.1:51820"), (3, "198.18.9.9:1"), (2, "[2001:db8::2]:443")]
    made.take(DIRECTORY)
    made.resolved(FOUND, 2.0)
    assert dict(made.paths())[2] == "[2001:db8::2]:443"
    assert len({path for path, _ in made.paths()}) == 3


def test_ids_are_never_shared_however_often_relays_change() -> None:
    made = ways()
    for n in range(600):
        entries = tuple(RelayEntry(f"r{n + k}", f"198.18.1.{k + 1}:1", "", "") for k in range(3))
        made.take(replace(DIRECTORY, relays=entries))
        made.resolved({entry.endpoint.split(":")[0]: [entry.endpoint.split(":")[0]] for entry in entries}, n)
        ids = [path for path, _ in made.paths()]
        assert len(ids) == len(set(ids)) == 4
        assert all(0 <= path < 256 for path in ids)


def test_a_host_not_found_is_no_path_until_it_is() -> None:
    made = Ways()
    made.take(DIRECTORY)
    assert made.paths() == []
    assert made.resolved({"198.18.2.2": ["198.18.2.2"]}, 0.0)
    assert made.paths() == [(1, "198.18.2.2:51820")]
    assert not made.resolved({"198.18.2.2": ["198.18.2.2"]}, 1.0)


def test_a_silent_path_moves_to_the_next_address_and_stays_where_it_works() -> None:
    made = ways()
    assert not made.silent(set(), TRY_NEXT_AFTER_S - 0.1)
    assert made.silent(set(), TRY_NEXT_AFTER_S)
    assert made.paths()[0] == (0, "[2001:db8::1]:51820")
    assert not made.silent({0}, 100.0)
    assert made.paths()[0] == (0, "[2001:db8::1]:51820")
    made.resolved(FOUND | {"vpn.example.edu": ["192.0.2.7", "2001:db8::1"]}, 101.0)
    assert made.paths()[0] == (0, "[2001:db8::1]:51820")


def test_every_address_in_use_is_an_endpoint() -> None:
    assert ways().endpoints() == {"192.0.2.1", "2001:db8::1", "198.18.2.2", "2001:db8::2"}
