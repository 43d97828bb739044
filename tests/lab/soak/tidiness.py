"""The safety property S4: the relay does not crash, leaks nothing, and says each thing once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from tests.lab.kit.program import Event
from tests.lab.soak.history import Act
from tests.lab.soak.lives import Life
from tests.lab.soak.properties import DRIVER_S, SEEN_S, Case, Violation

GROWTH_KIB = 1024
"""How much more memory a process may have at the end than when it was first measured."""
MOST_VFS = 8
SAYS: dict[str, str] = {
    "failed to fetch interface": "standing",
    "pf is not ready": "standing",
    "pf is ready": "standing",
    "lacp is up": "LACP",
    "lacp is down": "LACP",
    "lacp port state changed": "port state",
    "pf has no VFs": "VFs",
    "VFs detected on interface": "VFs",
}
"""What a line is about. About each interface, the next line of a kind must say something else."""
KEPT = ("pf is kept open", "pf is no longer kept open")


def violations(case: Case) -> Iterator[Violation]:
    """Return all violations of S4."""
    for life in case.lives:
        yield from health(case, life)
        yield from repetitions(case, life)
        yield from lost_events(case, life)
    yield from set_without_change(case)


def health(case: Case, life: Life) -> Iterator[Violation]:
    """Find a relay that ended unasked, had a traceback, or uses more than at first."""
    if not life.relay.running() and not life.killed and (life.is_awake() or life.relay.status != 0):
        yield Violation("S4", case.ended, f"the relay ended with status {life.relay.status}")
    if life.relay.stderr:
        yield Violation("S4", case.ended, f"the relay printed:\n{life.relay.stderr}")
    if life.used:
        (descriptors, memory), (descriptors_now, memory_now) = life.used[0], life.used[-1]
        if descriptors != descriptors_now:
            yield Violation("S4", case.ended, f"{descriptors} descriptors became {descriptors_now}")
        if memory_now - memory > GROWTH_KIB:
            yield Violation("S4", case.ended, f"{memory} KiB of memory became {memory_now}")


def repetitions(case: Case, life: Life) -> Iterator[Violation]:
    """Find lines about an interface that repeat the line of the same kind before them."""
    said: dict[tuple[Any, ...], object] = {}
    failed: dict[tuple[Any, ...], float] = {}
    changes = case.world_changes()
    for event in life.relay.events():
        msg, interface = event["msg"], event.get("interface")
        if msg == "pf is ready":
            said = {key: value for key, value in said.items() if key[0] != interface or key[1] == "standing"}
        if msg in SAYS:
            key, content = (interface, SAYS[msg]), spoken(event)
            if said.get(key) == content:
                yield Violation("S4", event["at"], f"said again: {event}")
            said[key] = content
        if msg in KEPT:  # its VFs are to be in another state now
            failed = {key: time for key, time in failed.items() if key[0] != interface}
        if msg == "failed to set vf link state":
            vf = (interface, event["id"], event["error"])
            before = failed.get(vf)
            if before is not None and not any(before < time <= event["at"] for time in changes):
                yield Violation("S4", event["at"], f"said again: {event}")
            failed[vf] = event["at"]


def spoken(event: Event) -> dict[str, Any]:
    """Return a line without its times and its cause: LACP that goes down twice in a row is said again."""
    return {key: value for key, value in event.items() if key not in ("time", "at", "cause")}


def lost_events(case: Case, life: Life) -> Iterator[Violation]:
    """Find overruns that the relay did not report, and reports without an overrun."""
    awake = [(begin, case.ended if end is None else end) for begin, end in life.awake]
    could_say = any(begin >= time and end > begin + SEEN_S for time in life.overruns for begin, end in awake)
    said = life.relay.events("link events were lost")
    most = len(life.overruns) + life.storms_asleep
    if len(said) > most or (could_say and not said):
        yield Violation("S4", case.ended, f"{len(life.overruns)} overruns, {len(said)} of them heard of")


def set_without_change(case: Case) -> Iterator[Violation]:
    """Find more "vf link state was set" than VFs that changed their state, seen or hidden."""
    said = Counter(
        (event["id"], event["state"]) for life in case.lives for event in lasting(life.relay.events())
    )
    changed = Counter((change.vf, change.state) for change in case.changes())
    changed.update(each for act in case.acts for each in hidden(case, act))
    changed.update(each for life in case.lives for each in confirmed(case, life))
    for (vf, state), count in said.items():
        if count > changed[vf, state]:
            yield Violation(
                "S4", case.ended, f"VF {vf} was set to {state} {changed[vf, state]} times, said {count} times"
            )


def lasting(events: Iterable[Event]) -> Iterator[Event]:
    """Return the settings of VFs, without those that the relay took back before anybody looked.

    The VFs of another PF of the group can have vanished since they were last read. The relay finds that when
    it looks again at the group, just after it disabled the VFs of the PF that it now keeps open.
    """
    hidden_s = SEEN_S + DRIVER_S  # while a driver holds the RTNL lock the recorder cannot look
    waiting: dict[tuple[str, int], tuple[Event, bool]] = {}
    for event in events:
        interface = event.get("interface", "")
        if event["msg"] in KEPT:
            for vf, (earlier, _) in waiting.items():
                if vf[0] == interface:
                    waiting[vf] = earlier, True
        if event["msg"] != "vf link state was set":
            continue
        vf = interface, event["id"]
        before, kept = waiting.pop(vf, (None, False))
        if before and kept and before["state"] != event["state"] and event["at"] - before["at"] <= hidden_s:
            continue
        if before:
            yield before
        waiting[vf] = event, False
    for event, _ in waiting.values():
        yield event


def confirmed(case: Case, life: Life) -> Iterator[tuple[int, str]]:
    """Return what the relay set after a refusal, though another's act had set it meanwhile.

    The driver may have refused and stored something else than it shows, so the relay writes once more.
    """
    refused: dict[tuple[str, int], float] = {}
    for event in life.relay.events():
        if event["msg"] == "failed to set vf link state":
            refused[event["interface"], event["id"]] = event["at"]
        elif event["msg"] == "vf link state was set":
            since = refused.pop((event["interface"], event["id"]), event["at"])
            index = case.in_force(event["at"], event["at"])[-1].bearer(event["interface"])
            acts = [] if index is None else case.acts_on(index, event["id"], since, event["at"])
            if any(act.became == event["state"] for act in acts):
                yield event["id"], event["state"]


def hidden(case: Case, act: Act) -> Iterator[tuple[int, str]]:
    """Return what the relay can have set at once after another's act, before anybody looked.

    What is seen only after a look that showed nothing of the act is not the act's.
    """
    if act.ifindex is None:
        return
    seen = [
        snapshot.links[act.ifindex].vf_states
        for snapshot in case.in_force(act.begun, act.ended + SEEN_S)
        if act.ifindex in snapshot.links and snapshot.time > act.begun and snapshot.looked < act.ended
    ]
    for vf in range(MOST_VFS) if act.vf is None else (act.vf,):
        if act.became and not any(states[vf : vf + 1] == (act.became,) for states in seen):
            yield vf, "disable" if act.became == "auto" else "auto"
