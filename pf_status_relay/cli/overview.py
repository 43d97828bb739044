"""The PFs' states as the kernel shows them now: rows, problems and JSON. Pure.

The facts come from the kernel, not from the service: they are true even if no service runs. What only the
service knows, such as since when something is so, is shown only where the service and the kernel agree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

from pf_status_relay.cli import diagnosis
from pf_status_relay.cli.connections import Connections
from pf_status_relay.cli.drivers import of_driver
from pf_status_relay.cli.findings import Finding, Verdict
from pf_status_relay.cli.names import Hint
from pf_status_relay.core import causes, drain, lacp
from pf_status_relay.core.bfd import Standing
from pf_status_relay.core.causes import Cause
from pf_status_relay.core.decision import Readiness, disabled_vfs, not_ready_reason
from pf_status_relay.core.drain import Drains
from pf_status_relay.core.facts import Absent, BondPort, Facts, Master, PhysicalFunction, VfLinkState
from pf_status_relay.core.lacp import PortState
from pf_status_relay.core.redundancy import NO_OTHER
from pf_status_relay.kernel.driver import Driver
from pf_status_relay.service.state_file import ServiceState


class Condition(Enum):
    """The condition of one PF, or the worst of several. The value is the exit status of `status`."""

    UP = 0
    DOWN = 1
    NOT_READY = 2

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True)
class Row:
    """One configured interface.

    `since` is when the service saw its present state begin (RFC 3339, UTC), empty where no service says so.
    `cause` is why LACP is down, None while it is up or the PF is not ready. `problems` are what is wrong,
    each with what to do. `drains` are those in effect. `kept_open`: the service says so, and the VFs agree.
    `bfd` holds the peers of its BFD sessions, each with the state that the service reports.
    """

    interface: str
    facts: Facts
    readiness: Readiness
    condition: Condition
    since: str
    cause: Cause | None
    problems: tuple[Finding, ...]
    drains: Drains = ()
    driver: Driver | None = None
    delay_ms: int | None = None
    kept_open: bool = False
    bfd: tuple[tuple[str, str], ...] = ()

    @property
    def pf(self) -> PhysicalFunction | None:
        """Return what was read of the PF, None if reading failed."""
        return self.facts if isinstance(self.facts, PhysicalFunction) else None

    @property
    def port(self) -> BondPort | None:
        """Return its LACP port states, None if there are none."""
        return self.pf.port if self.pf else None

    @property
    def master(self) -> Master | None:
        """Return its master, None if it has none."""
        return self.pf.master if self.pf else None

    @property
    def lacp_rate(self) -> str | None:
        """Return `fast` or `slow`, None without port states."""
        if self.port is None:
            return None
        return "fast" if lacp.is_fast(self.port.actor) else "slow"

    @property
    def vf_states(self) -> dict[str, int]:
        """Return the number of VFs by link state, without VFs that the kernel counts but does not list."""
        if self.pf is None:
            return {}
        states = {str(state): sum(vf.link_state is state for vf in self.pf.vfs) for state in VfLinkState}
        return {**states, "not listed": max(self.pf.vf_count - len(self.pf.vfs), 0)}


@dataclass(frozen=True)
class Overview:
    """All configured interfaces, and the service's process, None if none runs.

    `others` are the problems that do not belong to one of them.
    """

    rows: tuple[Row, ...]
    service: int | None
    others: tuple[Finding, ...] = ()

    @property
    def condition(self) -> Condition:
        """Return the worst condition of all PFs."""
        return max((row.condition for row in self.rows), key=lambda each: each.value, default=Condition.UP)

    @property
    def problems(self) -> list[Finding]:
        """Return the problems of the PFs, and then the other problems."""
        problems = [line for row in self.rows for line in row.problems]
        if not self.rows:
            problems += diagnosis.of_configuration([], [])
        problems += self.others
        if self.service is None:
            found = "does not run: no change of LACP is relayed"
            problems.append(
                Finding("service", Verdict.WARNING, found, "systemctl enable --now pf-status-relay")
            )
        return problems


def overview(
    facts: Mapping[str, Facts],
    service: ServiceState | None,
    hints: Mapping[str, Hint] = MappingProxyType({}),
    drains: Mapping[str, Drains] = MappingProxyType({}),
    others: Sequence[Finding] = (),
    drivers: Mapping[str, Driver] = MappingProxyType({}),
    managed: Connections = MappingProxyType({}),
) -> Overview:
    """Return the states of the interfaces, in the order of `facts`; `drains` are those of each.

    `hints`: the probably intended PFs for names that are no PF's. `drivers`: those that were read. `managed`:
    NetworkManager's connections.
    """
    rows = tuple(
        _row(name, each, service, hints.get(name), drains.get(name, ()), drivers.get(name), managed)
        for name, each in facts.items()
    )
    return Overview(rows, service.pid if service else None, tuple(others))


def _row(
    name: str,
    facts: Facts,
    service: ServiceState | None,
    hint: Hint | None,
    drains: Drains,
    driver: Driver | None,
    managed: Connections,
) -> Row:
    told = service.interfaces.get(name) if service else None
    told_cause = service.cause(name) if service else None
    readiness, cause = _judged(facts, told_cause)
    condition = Condition.NOT_READY
    if readiness is Readiness.READY:
        condition = Condition.DOWN if cause else Condition.UP
    word = str(condition) if readiness is Readiness.READY else None
    since = told.since if told and (told.readiness, told.lacp) == (readiness.value, word) else ""
    lines = diagnosis.of_interface(name, facts, hint=hint, told=told_cause, driver=driver, managed=managed)
    problems = [line for line in lines if line.verdict is not Verdict.PASSED]
    kept_open = bool(told and told.kept_open) and readiness is Readiness.READY and not disabled_vfs(facts)
    if kept_open:
        problems.append(_kept_open(name, condition, bool(drains)))
    elif readiness is Readiness.READY and isinstance(facts, PhysicalFunction):
        problems += _not_followed(name, facts, condition, bool(drains))
    problems += [_drained(name, each, facts) for each in drains]
    delay_ms = told.delay_ms if told else None
    if delay_ms:
        problems.append(_damped(name, delay_ms))
    bfd = told.bfd if told else ()
    problems += [_not_proved(name, *each) for each in bfd if each[1] != str(Standing.UP)]
    return Row(
        name,
        facts,
        readiness,
        condition,
        since,
        cause,
        tuple(problems),
        drains,
        driver,
        delay_ms,
        kept_open,
        bfd,
    )


def _not_proved(name: str, peer: str, standing: str) -> Finding:
    """Return the finding that a BFD session is not up, and what that means."""
    counts = standing == str(Standing.TIMED_OUT)
    meant = "the PF counts as down until it is up again" if counts else "LACP alone decides"
    found = f"BFD session with {peer}: {standing}; {meant}"
    return Finding(name, Verdict.WARNING, found, "compare both ends: vtysh -c 'show bfd peers'")


def _kept_open(name: str, condition: Condition, drained: bool) -> Finding:
    """Return the finding that a PF's VFs stay in auto although the PF should not carry traffic."""
    found = "is kept open"
    found += ", its drain is suspended" * (drained and condition is Condition.UP)
    found += f", though LACP is {condition}" * (condition is Condition.DOWN)
    found += f": {NO_OTHER}"
    fix = "bring LACP up on a PF of the group that is not drained"
    return Finding(name, Verdict.WARNING, found, fix)


def _damped(name: str, delay_ms: int) -> Finding:
    """Return the finding that VFs return to auto later than configured."""
    found = f"LACP flaps: VFs stay disabled until LACP has been up for {delay_ms / 1000:g} s"
    return Finding(name, Verdict.WARNING, found, "check cable, transceiver and the switch's log")


def _drained(name: str, drained: drain.Drain, facts: Facts) -> Finding:
    """Return the finding that a PF is drained: by which owner, since when, until when and why."""
    found = f"is drained by {drained.owner}"
    found += f" since {drained.since}" * bool(drained.since)
    found += f" until {drained.until}" * bool(drained.until)
    found += f": {drained.reason}" * bool(drained.reason)
    vfs = facts.vfs if isinstance(facts, PhysicalFunction) else ()
    enabled = sum(vf.link_state is VfLinkState.ENABLE for vf in vfs)
    found += f"; {enabled} of {len(vfs)} VFs in enable, which are not drained" * bool(enabled)
    fix = f"when the work is done: pf-status-relay undrain {name} --owner {drained.owner}"
    return Finding(name, Verdict.WARNING, found, fix)


def _judged(facts: Facts, told: Cause | None) -> tuple[Readiness, Cause | None]:
    """Return the readiness of a PF, and if it is ready and LACP is down, the cause."""
    if isinstance(facts, Absent):
        return Readiness.ABSENT, None
    if not isinstance(facts, PhysicalFunction):
        return Readiness.UNKNOWN, None
    if not_ready_reason(facts):
        return Readiness.NOT_READY, None
    return Readiness.READY, causes.cause_of(facts, told)


def _not_followed(name: str, pf: PhysicalFunction, condition: Condition, drained: bool) -> list[Finding]:
    """Return findings about VFs whose link state is not the one that LACP or a drain requires."""
    wrong = VfLinkState.DISABLE if condition is Condition.UP and not drained else VfLinkState.AUTO
    number = sum(vf.link_state is wrong for vf in pf.vfs)
    if not number:
        return []
    standing = "it is drained" if drained else f"LACP is {condition}"
    found = f"{standing} and {number} of {len(pf.vfs)} VFs in {wrong}"
    fix = f"if it stays so: journalctl -x -u pf-status-relay PF_INTERFACE={name}"
    return [Finding(name, Verdict.WARNING, found, fix)]


def as_json(overview: Overview) -> str:
    """Return the overview as one JSON document, which pf-status-relay(8) describes."""
    document = {
        "condition": str(overview.condition),
        "service": None if overview.service is None else {"pid": overview.service},
        "interfaces": [_interface(row) for row in overview.rows],
        "problems": [line.as_json() for line in overview.problems],
    }
    return f"{json.dumps(document, indent=2)}\n"


def _interface(row: Row) -> dict[str, Any]:
    port, master, driver = row.port, row.master, row.driver
    return {
        "interface": row.interface,
        "condition": str(row.condition),
        "standing": row.readiness.value,
        "since": row.since or None,
        "cause": str(row.cause) if row.cause else None,
        "delay_ms": row.delay_ms,
        "kept_open": row.kept_open,
        "bfd": [{"peer": peer, "standing": standing} for peer, standing in row.bfd],
        "driver": driver and {**driver._asdict(), "known": of_driver(row.interface, driver).found},
        "carrier": row.pf.carrier if row.pf else None,
        "master": {"name": master.name, "kind": master.kind} if master else None,
        "actor": _port_state(port.actor) if port else None,
        "partner": _port_state(port.partner) if port else None,
        "lacp_rate": row.lacp_rate,
        "drains": [
            {
                "owner": each.owner,
                "reason": each.reason,
                "since": each.since or None,
                "until": each.until or None,
            }
            for each in row.drains
        ],
        "vfs": {key.replace(" ", "_"): number for key, number in row.vf_states.items()} or None,
    }


def _port_state(state: PortState) -> dict[str, Any]:
    return {"octet": int(state), "letters": lacp.letters(state), "bits": lacp.names(state)}
