"""Link events: datagrams → which PFs to look at again."""

from __future__ import annotations

from unittest import mock

from pf_status_relay.kernel.event_socket import Affected, LinkEvents, Watched
from tests.fuzz import datagrams
from tests.support.netlink_socket import NetlinkSocket

_PF, _MASTER, _MISSED = Affected("ens5f0"), Affected("ens5f0", master=True), Affected("ens5f1")


def check(data: bytes) -> None:
    """Receive these events: each concerns a configured PF or none, and none is lost."""
    kernel = NetlinkSocket()
    kernel.answers = [*datagrams.split(data)]
    with mock.patch("socket.socket", return_value=kernel):
        link_events = LinkEvents()
    link_events.watch(Watched({5: {_PF}, 7: {_MASTER}}, {7: {_MASTER}}, {"ens5f1": {_MISSED}}))
    concerned, lost = link_events.drain()
    assert concerned <= {_PF, _MASTER, _MISSED}
    assert not lost
