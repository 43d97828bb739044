"""A stand-in for FRR's bfdd: its control socket and its messages about sessions. It speaks no BFD."""

from __future__ import annotations

import json
import socket
import struct
from contextlib import closing
from pathlib import Path
from types import TracebackType

HEADER = struct.Struct("!IHBB")
"""What precedes each body: its length, an id, the type and the version (FRR 8.4, bfdd/bfdctl.h)."""
RESPONSE, NOTIFY = 1, 4
REQUEST = HEADER.pack(8, 1, NOTIFY, 1) + struct.pack("=Q", 1)
"""The request for the states of all sessions, now and at each change."""


def message(content: object, kind: int = NOTIFY, version: int = 1) -> bytes:
    """Return a message with a body: bytes unchanged, all else as JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return HEADER.pack(len(body), 0, kind, version) + body


def status(interface: str | None, state: str, diagnostic: int = 0, **others: object) -> bytes:
    """Return bfdd 8.4.4's message about a session, with the keys that it was seen to send."""
    content: dict[str, object] = {
        "op": "status",
        "ipv6": False,
        "multihop": False,
        "peer-address": "192.0.2.2",
        "local-interface": interface,
        "id": 7,
        "remote-id": 7,
        "state": state,
        "uptime": 0,
        "diagnostics": diagnostic,
        "remote-diagnostics": 0,
        **others,
    }
    return message({key: value for key, value in content.items() if value is not None})


OK = message({"status": "ok"}, RESPONSE)


class Bfdd:
    """A listener at a path that takes one connection at a time."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._client: socket.socket | None = None

    def __enter__(self) -> Bfdd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._listener.close()

    def accept(self) -> None:
        """Take the next connection, and close the one before."""
        self.close()
        self._client, _ = self._listener.accept()

    def requested(self) -> bytes:
        """Return the bytes of the requests that have arrived."""
        assert self._client is not None
        return self._client.recv(4096, socket.MSG_DONTWAIT)

    def send(self, *messages: bytes) -> None:
        """Send these messages in one write."""
        assert self._client is not None
        self._client.sendall(b"".join(messages))

    def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            with closing(self._client):
                self._client = None
