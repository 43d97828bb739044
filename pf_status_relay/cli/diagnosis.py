"""What must be right for the service to do its job, judged from what was read. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from pf_status_relay.cli import connections
from pf_status_relay.cli.connections import Connections
from pf_status_relay.cli.drivers import of_driver
from pf_status_relay.cli.findings import Finding, Verdict
from pf_status_relay.cli.host import Rival
from pf_status_relay.cli.names import Hint
from pf_status_relay.core import causes
from pf_status_relay.core.causes import Cause
from pf_status_relay.core.decision import disabled_vfs, not_ready_reason
from pf_status_relay.core.facts import (
    BOND_MODE_8023AD,
    Absent,
    Facts,
    Master,
    PhysicalFunction,
    Unreadable,
    VfLinkState,
)
from pf_status_relay.kernel.driver import Driver

BOND_OPTIONS = "mode=802.3ad, lacp_rate=fast, miimon=100"


@dataclass(frozen=True)
class Host:
    """What concerns every PF alike.

    `own_capability` and `unit_capability`: whether this process and the shipped unit have CAP_NET_ADMIN;
    the latter is None where systemd does not say. `rivals_hidden`: this process cannot see the host's
    processes.
    """

    own_capability: bool
    unit_capability: bool | None
    rivals: tuple[Rival, ...]
    rivals_hidden: bool


class Coverage(Enum):
    """What the service can do; the value is the exit status of `check`."""

    ALL = 0
    SOME = 1
    NOTHING = 2


def coverage(lines: Iterable[Finding], interfaces: Sequence[str]) -> Coverage:
    """Return whether all, some or none of the interfaces are without a failure.

    A failure of anything else concerns all interfaces. Another relay is the exception: its line is a failure,
    but the service can do its job beside it.
    """
    failed = [line.subject for line in lines if line.verdict is Verdict.FAILED]
    if not failed and interfaces:
        return Coverage.ALL
    if set(failed) <= {*interfaces, RIVALS} and set(interfaces) - set(failed):
        return Coverage.SOME
    return Coverage.NOTHING


CONFIGURATION = "configuration"
HOST = "host"
RIVALS = "other relays"


def of_configuration(
    faults: Sequence[str], interfaces: Sequence[str], warnings: Sequence[str] = ()
) -> list[Finding]:
    """Judge the configuration by its faults; without faults, by its warnings and what it selects."""
    if faults:
        return [
            Finding(CONFIGURATION, Verdict.FAILED, fault, "see pf-status-relay.toml(5)") for fault in faults
        ]
    fix = (
        "correct it in the place that is named, or install the version that knows it: pf-status-relay.toml(5)"
    )
    left_out = [Finding(CONFIGURATION, Verdict.WARNING, warning, fix) for warning in warnings]
    if not interfaces:
        found = "is valid and means no interface of this host"
        fix = (
            "the service picks a PF up when its name matches, or, with auto, when it is alone in an LACP bond"
        )
        return [Finding(CONFIGURATION, Verdict.WARNING, found, fix), *left_out]
    return [Finding(CONFIGURATION, Verdict.PASSED, f"is valid and means {', '.join(interfaces)}"), *left_out]


def of_groups(groups: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> list[Finding]:
    """Judge redundancy groups: `groups` as configured, and in `found` the interfaces of each."""
    lines: list[Finding] = []
    for group, members in zip(groups, found):
        called = f"redundancy group {', '.join(group)}"
        if len(members) > 1:
            meant = f"means {', '.join(members)}: one of them stays open"
            lines.append(Finding(CONFIGURATION, Verdict.PASSED, f"{called} {meant}"))
        else:
            meant = f"means {members[0]} alone" if members else "means no configured interface"
            fix = "name two or more of the configured interfaces, each in one group"
            lines.append(Finding(CONFIGURATION, Verdict.WARNING, f"{called} {meant}, and has no effect", fix))
    return lines


def netlink_failed(error: str) -> Finding:
    """Return the finding that nothing can be read at all."""
    return Finding(HOST, Verdict.FAILED, error, "check that rtnetlink (AF_NETLINK) is allowed here")


def of_host(host: Host) -> list[Finding]:
    """Judge what concerns every PF alike."""
    return [_capability(host), *_rivals(host)]


def _capability(host: Host) -> Finding:
    if host.unit_capability:
        return Finding(HOST, Verdict.PASSED, "CAP_NET_ADMIN: the unit gives it to the service")
    if host.unit_capability is False:
        fix = "systemctl revert pf-status-relay, or give it AmbientCapabilities=CAP_NET_ADMIN"
        return Finding(HOST, Verdict.FAILED, "CAP_NET_ADMIN: the unit does not give it to the service", fix)
    if host.own_capability:
        return Finding(HOST, Verdict.PASSED, "CAP_NET_ADMIN: this process has it")
    found = "CAP_NET_ADMIN: systemd does not say whether the unit gives it to the service"
    return Finding(HOST, Verdict.WARNING, found, "install the unit; run this check as root")


def _rivals(host: Host) -> list[Finding]:
    fix = "stop one of the two: both would set the same VFs"
    lines = [
        Finding(RIVALS, Verdict.FAILED, f"{rival} runs, on the same network", fix)
        if rival.certain
        else Finding(RIVALS, Verdict.WARNING, f"{rival} runs, perhaps on the same network", fix)
        for rival in host.rivals
    ]
    if lines:
        return lines
    if host.rivals_hidden:
        found = "the host's processes cannot be seen from here"
        return [
            Finding(RIVALS, Verdict.WARNING, found, "run this check as root, outside the unit or container")
        ]
    return [Finding(RIVALS, Verdict.PASSED, "none runs")]


def of_interface(
    name: str,
    facts: Facts,
    sriov: bool | None = None,
    refused: str | None = None,
    hint: Hint | None = None,
    told: Cause | None = None,
    driver: Driver | None = None,
    managed: Connections = MappingProxyType({}),
) -> list[Finding]:
    """Judge a configured interface, as far as what was read allows.

    `sriov`: whether its device can have VFs; None if that was not read. `refused`: why the driver refused to
    set a VF to the state that it has, empty if it did not refuse, None if it was not tried. `hint`: the
    probably intended name, for a name that is no PF's. `told`: why LACP is down, as the running service says.
    `driver`: None if it was not read. `managed`: NetworkManager's connections.
    """
    if isinstance(facts, Unreadable):
        return [
            Finding(
                name, Verdict.FAILED, f"cannot be read: {facts.error}", "see the kernel's log: journalctl -k"
            )
        ]
    if isinstance(facts, Absent):
        return [Finding(name, Verdict.FAILED, *hint) if hint else _absent(name, facts)]
    lines = [Finding(name, Verdict.PASSED, "exists")]
    if hint:
        return [*lines, Finding(name, Verdict.FAILED, *hint)]
    if sriov is False and not facts.vf_count:
        fix = "name an SR-IOV PF; if it is one, enable SR-IOV in the firmware and on the NIC"
        lines.append(Finding(name, Verdict.FAILED, "is no SR-IOV PF", fix))
    else:
        if sriov is not None:
            lines.append(Finding(name, Verdict.PASSED, "is an SR-IOV PF"))
        lines += [of_driver(name, driver)] if driver else []
        lines += _vfs(name, facts)
        lines += _probe(name, refused)
    lines.append(_bond(name, facts, managed))
    if lines[-1].verdict is Verdict.FAILED and disabled_vfs(facts):
        found = (
            f"{disabled_vfs(facts)} of {_count(len(facts.vfs), 'VF')} in disable, and nothing sets them back"
        )
        fix = f"if the PF will not return to its bond: pf-status-relay restore {name}"
        lines.append(Finding(name, Verdict.WARNING, found, fix))
    elif lines[-1].verdict is Verdict.PASSED:
        assert facts.master is not None
        lines += _settings(name, facts.master, managed)
    if facts.carrier or not_ready_reason(facts):
        lines.append(_link(name, facts, managed))
    if facts.master and not not_ready_reason(facts):
        lines.append(_lacp(name, causes.cause_of(facts, told), facts.master))
    return lines


def _absent(name: str, facts: Absent) -> Finding:
    if facts.error.startswith("is the same"):
        return Finding(name, Verdict.FAILED, facts.error, "configure it by one of its names")
    fix = "correct the configuration, or plug in the NIC; the service picks it up when it appears"
    return Finding(name, Verdict.FAILED, "no interface has this name", fix)


def _vfs(name: str, pf: PhysicalFunction) -> list[Finding]:
    enabled = sum(vf.link_state is VfLinkState.ENABLE for vf in pf.vfs)
    if not pf.vf_count:
        fix = "create them, for example by sriov_numvfs; the service picks them up when they appear"
        return [Finding(name, Verdict.WARNING, "has no VFs", fix)]
    lines = [Finding(name, Verdict.PASSED, f"has {_count(pf.vf_count, 'VF')}")]
    if pf.vfs_missing:
        found = f"the driver leaves {pf.vfs_missing} of its {pf.vf_count} VFs out of the list, as in a reset"
        fix = "if it stays so, look for messages of the driver: journalctl -k"
        lines.append(Finding(name, Verdict.WARNING, found, fix))
    elif len(pf.vfs) < pf.vf_count:
        found = f"the kernel lists {len(pf.vfs)} of its {pf.vf_count} VFs, the others are not relayed for"
        lines.append(Finding(name, Verdict.WARNING, found, "create at most 334 VFs"))
    if pf.vfs and enabled == len(pf.vfs):
        fix = (
            f"set those that are to follow LACP to auto: ip link set dev {name} vf 0 state auto; "
            "leave linkState out of the pods' networks"
        )
        lines.append(Finding(name, Verdict.FAILED, "all VFs are in link state enable and left alone", fix))
    elif enabled:
        found = f"{enabled} of {_count(len(pf.vfs), 'VF')} in link state enable and left alone"
        lines.append(Finding(name, Verdict.PASSED, found))
    elif pf.vfs:
        lines.append(Finding(name, Verdict.PASSED, "no VF is in link state enable"))
    return lines


def _probe(name: str, refused: str | None) -> list[Finding]:
    if refused is None:
        return []
    if refused:
        fix = "use a NIC and driver that can set VF link states"
        return [Finding(name, Verdict.FAILED, f"the driver does not set VF link states: {refused}", fix)]
    return [Finding(name, Verdict.PASSED, "the driver sets VF link states")]


def _bond(name: str, pf: PhysicalFunction, managed: Connections) -> Finding:
    reason = not_ready_reason(pf)
    if not reason:
        assert pf.master is not None
        place = "the only port" if pf.master.port_count == 1 else f"one of {pf.master.port_count} ports"
        return Finding(name, Verdict.PASSED, f"is {place} of bond {pf.master.name} in mode 802.3ad")
    if pf.master and pf.master.bond_mode == BOND_MODE_8023AD and pf.multi_port:
        fix = "make the switches of all its ports act as one (MLAG), or give each PF its own bond"
    elif pf.master and pf.master.bond_mode == BOND_MODE_8023AD:
        fix = (
            "remove the bond's other ports, or set multi_port_bonds = true if its switches act as one (MLAG)"
        )
    elif pf.master and pf.master.bond_mode is not None:
        fix = f"create the bond again with {BOND_OPTIONS}"
    else:
        fix = f"make it the only port of a bond with {BOND_OPTIONS}"
        by_manager = connections.activate(name, managed)
        fix += f"; if NetworkManager has a connection for that: {by_manager}" * bool(by_manager)
    return Finding(name, Verdict.FAILED, reason, fix)


def _settings(name: str, bond: Master, managed: Connections) -> list[Finding]:
    lines = [Finding(name, Verdict.PASSED, f"bond {bond.name} is on the fast LACP rate")]
    if not bond.lacp_fast:
        found = f"bond {bond.name} is on the slow LACP rate: a dead switch is noticed after 90 s, not 3"
        lines = [Finding(name, Verdict.WARNING, found, connections.set_lacp_rate(bond.name, managed))]
    if bond.miimon_ms:
        found = f"bond {bond.name} looks at the carrier every {bond.miimon_ms} ms"
        return [*lines, Finding(name, Verdict.PASSED, found)]
    found = f"bond {bond.name} has no miimon: it does not notice when the carrier goes or comes"
    return [*lines, Finding(name, Verdict.WARNING, found, connections.set_miimon(bond.name, managed))]


def _link(name: str, pf: PhysicalFunction, managed: Connections) -> Finding:
    if pf.carrier:
        return Finding(name, Verdict.PASSED, "has carrier")
    cause = Cause.NO_CARRIER if pf.up else Cause.PF_DOWN
    found = "has no carrier" if pf.up else "is set down"
    by_manager = not pf.up and connections.activate(name, managed)
    return Finding(name, Verdict.WARNING, found, by_manager or causes.fix(cause, name, ""))


def _lacp(name: str, cause: Cause | None, bond: Master) -> Finding:
    if cause is None:
        return Finding(name, Verdict.PASSED, "LACP is up")
    return Finding(name, Verdict.WARNING, f"LACP is down: {cause}", causes.fix(cause, name, bond.name))


def as_json(lines: Iterable[Finding], coverage: Coverage) -> str:
    """Return the lines as one JSON document, which pf-status-relay(8) describes."""
    document = {"can_relay_for": coverage.name.lower(), "checks": [line.as_json() for line in lines]}
    return f"{json.dumps(document, indent=2)}\n"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
