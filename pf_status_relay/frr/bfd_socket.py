"""A connection to bfdd's control socket. No call waits for bfdd."""

from __future__ import annotations

import errno
import os
import socket

from pf_status_relay.frr.bfd_messages import SUBSCRIBE, Decoder, Malformed, Message

_RECEIVE_BYTES = 64 << 10


class BfdSocket:
    """A connection that has asked for the state of each session. Raises OSError if that fails."""

    def __init__(self, path: str) -> None:
        self._decoder = Decoder()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect(path)
            self.ask()
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def ask(self) -> None:
        """Ask for the state of each session. Raises OSError if the request cannot be sent whole."""
        if self._socket.send(SUBSCRIBE) != len(SUBSCRIBE):
            raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))

    def receive(self) -> list[Message]:
        """Return the messages that have come. Raises OSError if the connection ended, or is not bfdd's."""
        try:
            received = self._socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return []
        if not received:
            raise OSError(errno.ECONNRESET, "bfdd has closed the connection")
        try:
            return self._decoder.feed(received)
        except Malformed as error:
            raise OSError(errno.EPROTO, f"bfdd is not understood: {error}") from None
