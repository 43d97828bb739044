"""The messages of bfdd's control socket, bytes to facts (FRR 8.4, bfdd/bfdctl.h and bfdd/config.c).

A message is a header and a body. The header holds the body's length, an identifier, the type and the version,
in network byte order. Requests carry numbers in the host's byte order, answers and notifications carry JSON.
"""

from __future__ import annotations

import json
import re
import struct
from typing import Union

from pf_status_relay.core.bfd import Peer, State, Told
from pf_status_relay.text import one_line

_HEADER = struct.Struct("!IHBB")
_VERSION = 1
_RESPONSE, _NOTIFY = 1, 4
_NOTIFY_STATES = 0x1

SUBSCRIBE = _HEADER.pack(8, 1, _NOTIFY, _VERSION) + struct.pack("=Q", _NOTIFY_STATES)
"""The request for the state of each session, now and whenever it goes up or down.

It must be sent as a whole: bfdd waits for the rest of a message, and runs no session while it waits
(FRR 8.4, bfdd/control.c, control_read).
"""

MAX_BODY = 16 << 10
"""Maximum length of a body in bytes. FRR sends some hundred."""

_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_STATES = {state.value: state for state in State}


class Malformed(Exception):
    """The bytes are not what bfdd sends. The text says what was found."""


class Answered:
    """The answer to a request. The states of all sessions follow at once."""


Message = Union[Answered, Told]


class Decoder:
    """A decoder of the bytes of one connection, as they come."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[Message]:
        """Add bytes and return the messages that are complete, without those of no use here.

        Raises Malformed; after that the connection cannot be used either.
        """
        self._buffer += received
        messages: list[Message] = []
        while len(self._buffer) >= _HEADER.size:
            length, _, kind, version = _HEADER.unpack_from(self._buffer)
            if version != _VERSION or length > MAX_BODY:
                raise Malformed(f"a message of version {version} and {length} bytes")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                break
            body = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            message = _decoded(kind, body)
            if message is not None:
                messages.append(message)
        return messages


def _decoded(kind: int, body: bytes) -> Message | None:
    """Return the content of a message, None if it is of no use here. Raises Malformed."""
    if kind not in (_RESPONSE, _NOTIFY):
        return None
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise Malformed(f"no JSON object: {_shown(body)}")
    if kind == _RESPONSE:
        if content.get("status") != "ok":
            raise Malformed(f"a request was refused: {_shown(body)}")
        return Answered()
    if content.get("op") != "status" or "local-interface" not in content:
        return None
    interface, address = content["local-interface"], content.get("peer-address")
    number, diagnostic = content.get("id"), content.get("diagnostics")
    if not (
        isinstance(interface, str)
        and isinstance(address, str)
        and _ADDRESS.fullmatch(address)
        and type(number) is int
        and type(diagnostic) is int
        and isinstance(content.get("state"), str)
    ):
        raise Malformed(f"no status of a session: {_shown(body)}")
    # A state that RFC 5880 does not define proves nothing: it counts as down without a diagnostic.
    state = _STATES.get(content["state"])
    if state is None:
        state, diagnostic = State.DOWN, 0
    return Told(Peer(interface, address), state, number, diagnostic)


def _shown(body: bytes) -> str:
    return one_line(body.decode(errors="replace"), 80)
