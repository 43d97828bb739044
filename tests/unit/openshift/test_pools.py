"""Which monitors conflict, and which pools the others yield, also compared with brute force."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pf_status_relay.config.keys import Config
from pf_status_relay.openshift.monitors import Labels, Monitor
from pf_status_relay.openshift.pools import (
    MOST_SHOWN,
    Pool,
    can_share_a_node,
    conflicts,
    disjoint,
    is_pool_name,
    merged,
    pools,
    refusals,
)

ROLE = "node-role.kubernetes.io/"
WORKER: Labels = ((ROLE + "worker", ""),)
MASTER: Labels = ((ROLE + "master", ""),)
CONTROL_PLANE: Labels = ((ROLE + "control-plane", ""),)
ARBITER: Labels = ((ROLE + "arbiter", ""),)


def monitor(name: str, interfaces: str, selector: Labels = (), interval: int = 1000) -> Monitor:
    """Return a monitor for the PFs named in a text."""
    return Monitor(name, tuple(interfaces.split()), interval, selector)


def labels(**wanted: str) -> Labels:
    """Return a selector."""
    return tuple(sorted(wanted.items()))


def test_what_selectors_and_monitors_have_in_plenty_is_cut_in_a_message() -> None:
    names = " ".join(f"ens{number}f0" for number in range(200))
    selector = labels(**{f"label{number}": "x" for number in range(200)})
    (conflict,) = conflicts([monitor("a", names, selector), monitor("b", names, selector)])
    (refusal,) = refusals([monitor("a", "x", selector), monitor("b", "y", labels(zone="1"))])
    assert len(conflict) < 700
    assert len(refusal) < 500


@pytest.mark.parametrize(
    ("first", "second", "can"),
    [
        ((), (), True),
        ((), labels(rack="a"), True),
        (labels(rack="a"), labels(rack="a"), True),
        (labels(rack="a"), labels(rack="b"), False),
        (labels(rack="a"), labels(zone="b"), True),
        # The operator sees a conflict only if a key and its value are the same. It gets these two wrong.
        (labels(rack="a", zone="b"), labels(row="c"), True),
        (labels(rack="a", zone="b"), labels(rack="a", zone="c"), False),
        (labels(rack=""), labels(rack="a"), False),
    ],
)
def test_two_selectors_can_share_a_node_unless_they_demand_different_values(
    first: Labels, second: Labels, can: bool
) -> None:
    assert can_share_a_node(first, second) is can
    assert can_share_a_node(second, first) is can


def test_a_conflict_names_both_resources_their_selectors_and_what_they_share() -> None:
    first = monitor("default/a", "ens5f0 ens5f1 ens5f2", labels(rack="a"))
    second = monitor("other/b", "ens5f2 ens5f1", labels(zone="b"))
    assert conflicts([first, second]) == [
        "PFLACPMonitors default/a and other/b are in conflict: "
        "a node can match both (rack=a and zone=b), and both name ens5f1, ens5f2"
    ]
    assert refusals([first, second]) == [], "it is told once"


def test_all_conflicts_are_told() -> None:
    given = [monitor(name, "ens5f0") for name in "abc"]
    assert [line.split(" are ")[0] for line in conflicts(given)] == [
        "PFLACPMonitors a and b",
        "PFLACPMonitors a and c",
        "PFLACPMonitors b and c",
    ]
    assert "(the empty selector and the empty selector)" in conflicts(given)[0]


def test_of_many_that_are_at_odds_the_first_are_told_and_the_others_counted() -> None:
    names = [f"m{number}" for number in range(500)]
    first = [f"PFLACPMonitors m0 and m{number}" for number in range(1, MOST_SHOWN + 1)]

    def told(lines: list[str], verb: str) -> list[str]:
        return [line.split(f" {verb} ")[0] for line in lines]

    same_pf = [monitor(name, "ens5f0") for name in names]
    assert told(conflicts(same_pf), "are in") == [
        *first,
        "pairs of PFLACPMonitors in conflict, not shown: 124730",
    ]
    other_labels = [monitor(name, name, labels(**{name: "x"})) for name in names]
    assert told(refusals(other_labels), "cannot become pools:") == [
        *first,
        "pairs of PFLACPMonitors that cannot become pools, not shown: 124730",
    ]
    other_values = [monitor(name, name, labels(rack=name)) for name in names]
    assert told(disjoint(other_values), "are for") == [
        *first,
        "pairs of PFLACPMonitors for different hosts, not shown: 124730",
    ]


def test_one_more_than_are_told_is_counted_too() -> None:
    given = [
        monitor(f"m{number}", f"p{number}", tuple(sorted((*MASTER, ("rack", str(number))))))
        for number in range(MOST_SHOWN + 1)
    ]
    told = refusals(given[:-1])
    assert [line.split(" cannot ")[0] for line in told] == [
        f"PFLACPMonitor m{number}" for number in range(MOST_SHOWN)
    ]
    assert refusals(given) == [*told, "PFLACPMonitors that cannot become a pool, not shown: 1"]


def test_the_same_pf_of_different_nodes_is_no_conflict() -> None:
    given = [monitor("a", "ens5f0", labels(rack="a")), monitor("b", "ens5f0", labels(rack="b"))]
    assert conflicts(given) == refusals(given) == []
    assert [(pool.name, pool.config) for pool in pools(given)] == [
        ("worker-rack-a", Config(("ens5f0",))),
        ("worker-rack-b", Config(("ens5f0",))),
    ]


def test_monitors_with_the_same_selector_are_one_pool_with_the_shortest_interval() -> None:
    given = [
        monitor("a", "ens5f1 ens5f0", labels(rack="a"), 500),
        monitor("b", "ens4f0", labels(rack="a"), 250),
    ]
    assert conflicts(given) == refusals(given) == []
    (pool,) = pools(given)
    assert pool == Pool("worker-rack-a", labels(rack="a"), tuple(given))
    assert pool.config == Config(("ens5f1", "ens5f0", "ens4f0"), 250)


def test_the_empty_selector_is_the_pool_worker_and_custom_pools_hold_it_too() -> None:
    given = [
        monitor("all", "ens4f0", (), 250),
        monitor("cnf", "ens5f0", ((ROLE + "worker-cnf", ""),), 500),
        monitor("workers", "ens6f0", WORKER),
    ]
    assert conflicts(given) == refusals(given) == []
    worker, custom = pools(given)
    assert (worker.name, worker.selector) == ("worker", None)
    assert worker.config == Config(("ens4f0", "ens6f0"), 250)
    assert (custom.name, custom.selector) == ("worker-cnf", ((ROLE + "worker-cnf", ""),))
    assert custom.config == Config(("ens4f0", "ens5f0", "ens6f0"), 250)


def test_a_custom_pool_does_not_hold_what_its_nodes_cannot_match() -> None:
    given = [monitor("a", "ens5f0", WORKER), monitor("b", "ens5f0", ((ROLE + "worker", "x"),))]
    assert conflicts(given) == refusals(given) == []
    assert [pool.config.interfaces for pool in pools(given)] == [("ens5f0",), ("ens5f0",)]


@pytest.mark.parametrize(
    ("selector", "name"), [(MASTER, "master"), (CONTROL_PLANE, "master"), (ARBITER, "arbiter")]
)
def test_the_control_plane_is_a_pool_of_every_cluster_and_holds_the_empty_selector_too(
    selector: Labels, name: str
) -> None:
    given = [monitor("all", "ens4f0"), monitor("control", "ens5f0", selector)]
    assert conflicts(given) == refusals(given) == []
    worker, control = pools(given)
    assert (worker.name, worker.config.interfaces) == ("worker", ("ens4f0",))
    assert (control.name, control.selector, control.config.interfaces) == (name, None, ("ens4f0", "ens5f0"))


@pytest.mark.parametrize(
    ("selector", "new"),
    [
        ((), False),
        (MASTER, False),
        (ARBITER, False),
        (((ROLE + "worker-cnf", ""),), False),
        (((ROLE + "worker-cnf", ""), ("rack", "a")), True),
        (labels(rack="a"), True),
    ],
)
def test_the_pool_of_a_role_may_exist_any_other_custom_one_is_new(selector: Labels, new: bool) -> None:
    (pool,) = pools([monitor("a", "ens5f0", selector)])
    assert pool.is_new is new


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (labels(rack="a"), labels(zone="b")),
        (labels(rack="a"), labels(rack="a", zone="b")),
        (WORKER, MASTER),
        (labels(rack="a"), MASTER),
        (labels(rack="a"), ARBITER),
        (WORKER, ARBITER),
        (((ROLE + "worker-cnf", ""),), ((ROLE + "infra", ""),)),
        # Pools of the same name
        ((("example.com/rack", "a"),), (("example.org/rack", "a"),)),
    ],
)
def test_nodes_that_two_pools_would_select_are_refused_with_the_reason(first: Labels, second: Labels) -> None:
    given = [monitor("default/a", "ens5f0", first), monitor("default/b", "ens5f1", second)]
    assert conflicts(given) == []
    (line,) = refusals(given)
    assert line.startswith(
        "PFLACPMonitors default/a and default/b cannot become pools: a node can match both ("
    )
    assert line.endswith(
        "and gets the files of one pool only; "
        "give them the same nodeSelector, or different values of one label"
    )


def test_different_nodes_whose_pools_would_have_the_same_name_are_refused() -> None:
    given = [monitor("a", "ens5f0", labels(rack="A")), monitor("b", "ens5f1", labels(rack="a"))]
    assert refusals(given) == [
        "PFLACPMonitors a and b cannot become pools: "
        "the pools of both (rack=A and rack=a) would have the name worker-rack-a"
    ]


@pytest.mark.parametrize(
    ("role", "nodes", "name"),
    [
        (MASTER, "control plane", "master"),
        (CONTROL_PLANE, "control plane", "master"),
        (ARBITER, "arbiter", "arbiter"),
    ],
)
def test_a_part_of_the_control_plane_cannot_be_a_pool(role: Labels, nodes: str, name: str) -> None:
    (line,) = refusals([monitor("a", "ens5f0", tuple(sorted((*role, ("rack", "a")))))])
    assert line == (
        f"PFLACPMonitor a cannot become a pool: its nodes ({role[0][0]}=,rack=a) are {nodes} nodes, "
        f"which are in the pool {name} and in no other; select all of them, by {ROLE}{name} alone"
    )


@pytest.mark.parametrize(
    ("selector", "name"),
    [
        (labels(rack="a"), "worker-rack-a"),
        (labels(rack="a", zone="b"), "worker-rack-a-zone-b"),
        ((("kubernetes.io/hostname", "worker-0.example.com"),), "worker-hostname-worker-0-example-com"),
        (((ROLE + "worker-cnf", ""),), "worker-cnf"),
        (((ROLE + "worker.cnf", ""),), "worker.cnf"),
        (((ROLE + "worker-cnf", "true"),), "worker-cnf-true"),
        (((ROLE + "worker", ""), ("zone", "a")), "worker-zone-a"),
        ((("example.com/worker", ""),), "worker-worker"),
        (((ROLE + "CNF", ""),), "worker-cnf"),
        (labels(rack=""), "worker-rack"),
        (labels(rack="a" * 63), f"worker-rack-{'a' * 42}-ccd88dcc"),
    ],
)
def test_a_pool_is_named_by_its_selector_and_the_name_is_one_that_a_pool_can_have(
    selector: Labels, name: str
) -> None:
    (pool,) = pools([monitor("whatever", "ens5f0", selector)])
    assert pool.name == name
    assert is_pool_name(pool.name)


@pytest.mark.parametrize("text", ["worker", "a", "a-b", "1", "a" * 63, "worker.cnf", "a.b-c.d"])
def test_the_name_of_a_pool(text: str) -> None:
    assert is_pool_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "a_b",
        "-a",
        "a-",
        "a\n",
        "ä",
        "a" * 64,
        ".",
        ".a",
        "a.",
        "a..b",
        "a.-b",
        "a-.b",
        "a." * 31 + "bc",
    ],
)
def test_no_name_of_a_pool(text: str) -> None:
    assert not is_pool_name(text)


def test_monitors_of_different_hosts_are_told_apart() -> None:
    given = [monitor("a", "ens5f0", labels(rack="a")), monitor("b", "ens5f1", labels(rack="b"))]
    assert disjoint(given) == [
        "PFLACPMonitors a and b are for different hosts (rack=a and rack=b); give those of one host"
    ]
    assert disjoint([given[0], monitor("c", "ens5f1", labels(zone="c"))]) == []


# Brute force: every possible node, with these labels or without.

KEYS = ("x", "y", ROLE + "worker")
VALUES = ("", "1", "2")
NODES = [
    {key: value for key, value in zip(KEYS, values) if value is not None}
    for values in product((None, *VALUES), repeat=len(KEYS))
]
PFS = ("p0", "p1", "p2")


def matches(selector: Labels, node: dict[str, str]) -> bool:
    """Tell whether a node matches a selector, as Kubernetes does (nodeSelector of a pod)."""
    return all(key in node and node[key] == value for key, value in selector)


selectors = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES)).map(
    lambda wanted: tuple(sorted(wanted.items()))
)
monitor_lists = st.lists(
    st.builds(
        Monitor,
        st.just("name"),
        st.lists(st.sampled_from(PFS), min_size=1, unique=True).map(tuple),
        st.sampled_from([100, 500, 1000]),
        selectors,
    ),
    min_size=1,
    max_size=4,
).map(
    lambda found: [
        Monitor(f"m{n}", m.interfaces, m.polling_interval_ms, m.selector) for n, m in enumerate(found)
    ]
)


@given(selectors, selectors)
def test_whether_selectors_share_a_node_is_what_trying_all_nodes_says(first: Labels, second: Labels) -> None:
    tried = any(matches(first, node) and matches(second, node) for node in NODES)
    assert can_share_a_node(first, second) is tried


@given(monitor_lists)
def test_there_is_a_conflict_if_and_only_if_a_node_would_run_two_monitors_for_a_pf(
    given_monitors: list[Monitor],
) -> None:
    tried = {
        (first.name, second.name)
        for first, second in combinations(given_monitors, 2)
        for node in NODES
        if matches(first.selector, node) and matches(second.selector, node)
        if set(first.interfaces) & set(second.interfaces)
    }
    assert {tuple(line.split(" ")[1:4:2]) for line in conflicts(given_monitors)} == tried


@given(monitor_lists)
def test_every_worker_gets_what_its_monitors_say_from_one_pool(given_monitors: list[Monitor]) -> None:
    if conflicts(given_monitors) or refusals(given_monitors):
        return
    found = pools(given_monitors)
    assert len({pool.name for pool in found}) == len(found)
    for node in NODES:
        if node.get(ROLE + "worker") != "":
            continue
        # As the Machine Config Operator does: a custom pool if there is one, otherwise worker.
        custom = [pool for pool in found if pool.selector is not None and matches(pool.selector, node)]
        assert len(custom) <= 1, "it refuses a node of two custom pools"
        own = [each for each in given_monitors if matches(each.selector, node)]
        got = custom or [pool for pool in found if pool.name == "worker"]
        assert [pool.config for pool in got] == ([merged(own)] if own else [])
