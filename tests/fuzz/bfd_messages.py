"""bfdd's control socket: bytes, in any parts → the states of sessions."""

from __future__ import annotations

from pf_status_relay.core.bfd import Peer, Session, Told, heard
from pf_status_relay.frr.bfd_messages import Decoder, Malformed, Message
from tests.fuzz import lines


def check(data: bytes) -> None:
    """Decode a stream whole and in parts: both find the same, and a refusal's reason is one line."""
    told, refused = _decode([data[at : at + 1] for at in range(len(data))])
    at_once = _decode([data])
    # A refused message ends the connection, and discards what came in the same read.
    assert at_once == ([] if refused else told, refused)
    if refused:
        lines.check([refused])
    known: dict[Peer, Session] = {}
    for now, each in enumerate(told):
        session = heard(known.get(each.peer), each, float(now))
        assert session.peer == each.peer
        known[each.peer] = session


def _decode(parts: list[bytes]) -> tuple[list[Told], str]:
    """Return what is decoded before a refusal, and its reason: an empty string if nothing is refused."""
    decoder = Decoder()
    found: list[Message] = []
    refused = ""
    try:
        for part in parts:
            found += decoder.feed(part)
    except Malformed as error:
        refused = str(error)
    return [each for each in found if isinstance(each, Told)], refused
