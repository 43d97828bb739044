"""Link events: datagrams → which PFs to look at again."""

from __future__ import annotations

from unittest import mock

from pf_status_relay.linkevents import Concern, LinkEvents, master_attribute, name_content
from tests.conftest import NetlinkSocket
from tests.fuzz import datagrams

_PF, _MASTER, _MISSED = Concern("ens5f0"), Concern("ens5f0", master=True), Concern("ens5f1")


def check(data: bytes) -> None:
    """Take these events; each concerns a configured PF or none, and none is lost."""
    kernel = NetlinkSocket()
    kernel.answers = [*datagrams.split(data)]
    with mock.patch("socket.socket", return_value=kernel):
        link_events = LinkEvents()
    by_content = {name_content("ens5f1"): {_MISSED}, master_attribute(7): {_MASTER}}
    concerned, lost = link_events.drain({5: {_PF}, 7: {_MASTER}}, by_content)
    assert concerned <= {_PF, _MASTER, _MISSED}
    assert not lost
