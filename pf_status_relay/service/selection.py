"""Which interfaces a configuration means: names as they are, patterns and "auto" by what the host has."""

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
    """The host's interfaces could not be listed, which says nothing about them."""


def depends_on_host(configured: tuple[str, ...]) -> bool:
    """Tell whether the interfaces that are meant can change without the configuration."""
    return configured == keys.AUTO or any(map(keys.is_pattern, configured))


def select(configured: tuple[str, ...], requests: RequestSocket) -> tuple[str, ...]:
    """Return the interfaces that are meant, each once, in the order of the configuration.

    AUTO means the SR-IOV PFs that are the one port of a bond in mode 802.3ad (see lacp_ports), a pattern all
    SR-IOV PFs whose names match it; both in the order of their names. Raises NotListed, and OSError if the
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
    """Return of each redundancy group the interfaces among `names` that it means, in its order.

    An interface that two groups mean, by a pattern or by another of its names, counts for the first.
    `configured_name` returns how the configuration calls an interface. What a group names and is not among
    the interfaces does not count, and a group of which fewer than two are has no effect.
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
    """Return the names of all SR-IOV PFs of the host, none if they cannot be listed."""
    with suppress(OSError):
        return sorted(filter(sysfs.is_pf, sysfs.interfaces()))
    return []


def _matching(pattern: str) -> list[str]:
    try:
        return sorted(name for name in sysfs.interfaces() if fnmatchcase(name, pattern) and sysfs.is_pf(name))
    except OSError as error:
        raise NotListed(str(error)) from error
