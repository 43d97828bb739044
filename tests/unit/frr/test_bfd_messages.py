"""Decoding of bfdd's messages: whole, in parts, and if they are not bfdd's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pf_status_relay.core.bfd import Peer, State, Told
from pf_status_relay.frr import bfd_messages
from pf_status_relay.frr.bfd_messages import MAX_BODY, Answered, Decoder, Malformed, Message
from tests.support.bfdd import HEADER, NOTIFY, OK, REQUEST, RESPONSE, message, status

SEEN = (  # sent by Debian's bfdd 8.4.4
    b'{"op":"status","ipv6":false,"multihop":false,"peer-address":"192.0.2.2","local-interface":"bond0",'
    b'"id":2594549015,"remote-id":2594549015,"state":"down","downtime":0,"diagnostics":1,'
    b'"remote-diagnostics":0}'
)


def changed(key: str, value: object) -> bytes:
    """Return a status with one value changed."""
    return message({**json.loads(SEEN), key: value})


def decoded(*received: bytes) -> list[Message]:
    decoder = Decoder()
    return [each for part in received for each in decoder.feed(part)]


def test_the_request_is_as_bfdd_expects_it() -> None:
    assert bfd_messages.SUBSCRIBE == REQUEST


def test_a_status_that_bfdd_sent() -> None:
    told = Told(Peer("bond0", "192.0.2.2"), State.DOWN, 2594549015, 1)
    assert decoded(message(SEEN)) == [told]


@pytest.mark.parametrize("state", State)
def test_each_state(state: State) -> None:
    assert decoded(status("bond0", state.value, 3)) == [Told(Peer("bond0", "192.0.2.2"), state, 7, 3)]


def test_a_state_that_nobody_knows_proves_nothing() -> None:
    assert decoded(status("bond0", "unknown", 1)) == [Told(Peer("bond0", "192.0.2.2"), State.DOWN, 7, 0)]


@given(st.lists(st.integers(1, 60), max_size=40))
def test_messages_in_any_parts_are_the_same_messages(cuts: list[int]) -> None:
    stream = OK + status("bond0", "down") + message(b"{}", 77) + status("bond1", "up")
    parts: list[bytes] = []
    for size in cuts:
        parts.append(stream[:size])
        stream = stream[size:]
    found = decoded(*parts, stream)
    assert isinstance(found[0], Answered)
    assert found[1:] == [
        Told(Peer("bond0", "192.0.2.2"), State.DOWN, 7, 0),
        Told(Peer("bond1", "192.0.2.2"), State.UP, 7, 0),
    ]


@pytest.mark.parametrize(
    "useless",
    [
        status(None, "down", 1),  # a peer configured without an interface
        message({"op": "add", "peer-address": "192.0.2.2", "local-interface": "bond0"}),
        message({"op": "update"}),
        message({}),
        message(b"no JSON", 9),
        HEADER.pack(0, 0, 9, 1),
    ],
)
def test_what_is_of_no_use_is_passed_over(useless: bytes) -> None:
    assert decoded(useless + status("bond0", "up")) == [Told(Peer("bond0", "192.0.2.2"), State.UP, 7, 0)]


@pytest.mark.parametrize(
    "wrong",
    [
        message({}, version=2),
        HEADER.pack(MAX_BODY + 1, 0, NOTIFY, 1),
        HEADER.pack(2**32 - 1, 0, RESPONSE, 1),
        message(b""),
        message(b"{"),
        message(b"\xff{}"),
        message([]),
        message(b"[" * MAX_BODY),
        message({"status": "error", "error": "invalid message type"}, RESPONSE),
        message({}, RESPONSE),
        message(b"\x1b[31m", RESPONSE),
        *(changed(key, value) for key in ("id", "diagnostics") for value in ("1", True, 1.5, None)),
        *(changed("peer-address", value) for value in (7, "", "evil\n", "x" * 46, "fe80::1%a")),
        message({"op": "status", "local-interface": 7}),
        message({"op": "status", "local-interface": "bond0", "state": "up"}),
        message({"op": "status", "local-interface": "b", "peer-address": "::1", "id": 1, "diagnostics": 0}),
    ],
)
def test_what_bfdd_does_not_send_is_refused_in_one_line(wrong: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        decoded(wrong)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200


def test_a_message_without_end_is_not_waited_for_in_vain() -> None:
    decoder = Decoder()
    assert decoder.feed(HEADER.pack(MAX_BODY, 0, NOTIFY, 1) + b" " * (MAX_BODY - 1)) == []
    with pytest.raises(Malformed):
        decoder.feed(b" ")


def test_an_interface_may_be_called_anything() -> None:
    name = json.loads('"\\ud800\\u0000é"')
    assert decoded(status(name, "up")) == [Told(Peer(name, "192.0.2.2"), State.UP, 7, 0)]
