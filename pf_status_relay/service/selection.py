"""Which interfaces a configuration selects: names as they are, patterns and "auto" by the host's PFs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Callable

from pf_status_relay.config import keys
from pf_status_relay.kernel import sysfs
from pf_status_relay.kernel.decode import MalformedMessage
from pf_status_relay.kernel.request_socket import Refused, RequestSocket


class NotListed(Exception):
    """The host's interfaces could not be listed. This does not mean that there are none."""


def depends_on_host(configured: tuple[str, ...]) -> bool:
    """Tell whether the selected interfaces can change while the configuration stays the same."""
    return configured == keys.AUTO or any(map(keys.is_pattern, configured))


def select(configured: tuple[str, ...], requests: RequestSocket) -> tuple[str, ...]:
    """Return the selected interfaces, each once, in the order of the configuration.

    AUTO selects the SR-IOV PFs that are the only port of a bond in mode 802.3ad (see lacp_ports). A pattern
    selects all SR-IOV PFs whose names match it. Both are sorted by name. Raises NotListed, and OSError if the
    socket is unusable.
    """
    if configured == keys.AUTO:
        try:
            return tuple(sorted(filter(sysfs.is_pf, requests.lacp_ports())))
        except (Refused, MalformedMessage) as error:
            raise NotListed(str(error)) from error
    names: list[str] = []
    for each in configured:
        names += _matching(each) if keys.is_pattern(each) else [each]
    return tuple(dict.fromkeys(names))


def groups(
    configured: Sequence[Sequence[str]], names: Sequence[str], configured_name: Callable[[str], str]
) -> tuple[tuple[str, ...], ...]:
    """Return for each redundancy group the interfaces among `names` that are in it, in its order.

    An interface that two groups select, by a pattern or by another of its names, belongs to the first.
    `configured_name` returns the configured name of an interface. Names in a group that are not among `names`
    do not count. A group with fewer than two interfaces has no effect.
    """
    taken: set[str] = set()
    found: list[tuple[str, ...]] = []
    for group in configured:
        meant: list[str] = []
        for each in group:
            if keys.is_pattern(each):
                meant += [name for name in names if fnmatchcase(name, each)]
            else:
                meant.append(each if each in names else configured_name(each))
        members = tuple(name for name in dict.fromkeys(meant) if name in names and name not in taken)
        taken.update(members)
        found.append(members)
    return tuple(found)


def pfs() -> list[str]:
    """Return the names of all SR-IOV PFs of the host, or no name if they cannot be listed."""
    with suppress(OSError):
        return sorted(filter(sysfs.is_pf, sysfs.interfaces()))
    return []


def _matching(pattern: str) -> list[str]:
    try:
        return sorted(name for name in sysfs.interfaces() if fnmatchcase(name, pattern) and sysfs.is_pf(name))
    except OSError as error:
        raise NotListed(str(error)) from error
