"""A stand-in for FRR's bfdd in sequences: it reports what a step says, and runs no session.

The real one is in tests/lab/scenarios/test_bfd.py. This one can say anything at any time.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

from tests.support.bfdd import OK, REQUEST, message, status

PATH = Path("/run/bfdd.sock")


class Bfdd:
    """Takes every connection, answers each request, and reports each change to all that are connected."""

    def __init__(self, interfaces: tuple[str, ...]) -> None:
        self._states = dict.fromkeys(interfaces, ("down", 0))
        self._clients: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(PATH))
        PATH.chmod(0o777)
        self._listener.listen()
        threading.Thread(target=self._accept, name="bfdd", daemon=True).start()

    @property
    def connections(self) -> int:
        """Return how many clients there are."""
        return len(self._clients)

    def tell(self, interface: str, state: str, diagnostic: int) -> None:
        """Tell the state of the session on an interface."""
        with self._lock:
            self._states[interface] = state, diagnostic
            self._send(status(interface, state, diagnostic))

    def send_garbage(self) -> None:
        """Send what bfdd does not send."""
        with self._lock:
            self._send(message(b"\xff\x1b["))

    def restart(self) -> None:
        """Close all connections, and have no session up."""
        with self._lock:
            self._states = dict.fromkeys(self._states, ("down", 0))
            for client in self._clients:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

    def _send(self, data: bytes) -> None:
        for client in self._clients:
            with suppress(OSError):  # it has ended, or is frozen and takes no more
                client.send(data, socket.MSG_DONTWAIT)

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            with self._lock:
                self._clients.append(client)
            threading.Thread(target=self._answer, args=(client,), name="bfdd client", daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with suppress(OSError):
            while client.recv(len(REQUEST)) == REQUEST:
                with self._lock:
                    told = [status(each, *state) for each, state in self._states.items()]
                    client.send(b"".join([OK, *told]), socket.MSG_DONTWAIT)
        with self._lock:
            self._clients.remove(client)
        client.close()
