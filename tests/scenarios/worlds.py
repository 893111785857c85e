"""The worlds of the scenarios: short ways, nothing lost, so that a fault is the test's own doing."""

HOSTS = """
title = "A small world"
source = "Delays are short and nothing is lost: scenarios are about what happens, not about how well."

[[host]]
name = "student"
role = "student"
addresses = ["192.0.2.10"]

[[host]]
name = "campus"
role = "campus"
addresses = ["203.0.113.1"]

[[host]]
name = "classroom"
role = "classroom"
addresses = ["203.0.113.80"]

[[host]]
name = "one"
role = "relay"
addresses = ["198.51.100.11"]

[[host]]
name = "two"
role = "relay"
addresses = ["198.51.100.12"]

[[host]]
name = "stranger"
role = "relay"
addresses = ["198.51.100.66"]
"""


def link(one: str, other: str, delay_s: float) -> str:
    """Return a link both ways."""
    return f'\n[[link]]\nfrom = "{one}"\nto = "{other}"\nboth = true\ndelay_s = {delay_s}\n'


DIRECT = link("student", "campus", 0.01)
FAR = link("student", "campus", 0.16)
"""So far that both ends prefer relay `one` by more than the margin they want for a change; so with `two`."""
BY_ONE = link("student", "one", 0.004) + link("one", "campus", 0.004)
BY_TWO = link("student", "two", 0.075) + link("two", "campus", 0.075)
ROOM = link("campus", "classroom", 0.001)
STRANGE = (
    link("stranger", "campus", 0.001) + link("stranger", "one", 0.001) + link("stranger", "student", 0.001)
)

ALL_WAYS = HOSTS + FAR + BY_ONE + BY_TWO + ROOM + STRANGE
"""Three ways; relay `one` is much the quickest, then `two`, then the direct one."""

RELAY_ONLY = HOSTS + BY_ONE + ROOM + link("one", "classroom", 0.001)
"""No way but by relay `one`, which also reaches the classroom itself, for forwarders without encryption."""

BOTH_FAMILIES = ALL_WAYS
for _host, _more in (
    ("192.0.2.10", "1::10"),
    ("203.0.113.1", "2::1"),
    ("203.0.113.80", "2::80"),
    ("198.51.100.11", "3::11"),
):
    BOTH_FAMILIES = BOTH_FAMILIES.replace(f'"{_host}"]', f'"{_host}", "2001:db8:{_more}"]')

DIRECT_ONLY = HOSTS + DIRECT + ROOM + STRANGE
"""No relay within reach."""
