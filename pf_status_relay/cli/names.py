"""Configured names that are no PF's, and the PF that was probably intended. Pure.

ens7f0 or ens7f0np0     the interface's name includes the port's name, npN, if the driver reports one; after
                        an update of kernel or driver the configuration may have the old name
a VF, a bond            exists, but the service cannot relay for it, only for its PF or its port
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Callable, NamedTuple

from pf_status_relay.core.facts import Absent, Facts, PhysicalFunction
from pf_status_relay.kernel.decode import LinkNames

_PORT = re.compile("np[0-9]+")


class Hint(NamedTuple):
    """What a configured name is instead of a PF's, in a finding's words, and what to do about it."""

    found: str
    fix: str


def hints(
    facts: Mapping[str, Facts], links: Sequence[LinkNames], pf_of_vf: Callable[[int], str]
) -> dict[str, Hint]:
    """Return a hint, by configured name, for names that are no PF's: the probably intended PF.

    `pf_of_vf` returns the name of the PF that the VF with an ifindex belongs to, or an empty string.
    """
    found: dict[str, Hint] = {}
    known = {each.ifindex for each in facts.values() if isinstance(each, PhysicalFunction)}
    for name, each in facts.items():
        if isinstance(each, Absent):
            hint = _of_absent(name, [link for link in links if link.ifindex not in known])
        elif isinstance(each, PhysicalFunction):
            hint = _of_vf(pf_of_vf(each.ifindex)) or _of_bond(each.ifindex, links)
        else:
            hint = None
        if hint:
            found[name] = hint
    return found


def _of_absent(name: str, links: Sequence[LinkNames]) -> Hint | None:
    near: list[str] = []
    for link in links:
        if _differ_by_port(name, link.name):
            near.append(link.name)
        else:
            near += [
                f"{altname} (an alternative name of {link.name})"
                for altname in link.altnames
                if _differ_by_port(name, altname)
            ]
    if not near:
        return None
    return Hint("no interface has this name", f"did you mean {' or '.join(near)}? Correct the configuration")


def _differ_by_port(one: str, other: str) -> bool:
    """Tell whether two names differ only by a port's name at the end of one of them."""
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and bool(_PORT.fullmatch(long, len(short)))


def _of_vf(pf: str) -> Hint | None:
    return Hint(f"is a VF of {pf}, not a PF", f"name {pf} in the configuration") if pf else None


def _of_bond(ifindex: int, links: Sequence[LinkNames]) -> Hint | None:
    if all((link.ifindex, link.kind) != (ifindex, "bond") for link in links):
        return None
    ports = [link.name for link in links if link.master == ifindex]
    instead = f"its port {' or '.join(ports)}" if ports else "the PF that is to be its port"
    return Hint("is a bond, not a PF", f"name {instead} in the configuration")
