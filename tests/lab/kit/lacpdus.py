"""A switch whose LACPDUs come at irregular times: `python -m tests.lab.kit.lacpdus INTERFACE LEAST MOST`.

It waits for a LACPDU that the interface sends and then sends copies of it, LEAST to MOST seconds apart, until
it is ended. In a settled state one LACPDU is like the next. The copies bypass the traffic control of the
interface, which has to drop the kernel's own LACPDUs.
"""

from __future__ import annotations

import random
import socket
import sys
import time

SLOW_PROTOCOLS = 0x8809
SOL_PACKET = 263
PACKET_QDISC_BYPASS = 20
ETH_P_ALL = 3
ETHERTYPE_AT = 12


def main(interface: str, least: float, most: float) -> None:
    """Capture one LACPDU and repeat it."""
    intervals = random.Random(interface)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as port:
        port.bind((interface, ETH_P_ALL))
        port.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        lacpdu = own_lacpdu(port)
        print("captured", flush=True)
        while True:
            time.sleep(intervals.uniform(least, most))
            port.send(lacpdu)


def own_lacpdu(port: socket.socket) -> bytes:
    """Wait for a LACPDU on its way out."""
    while True:
        frame, address = port.recvfrom(2048)
        ethertype = int.from_bytes(frame[ETHERTYPE_AT : ETHERTYPE_AT + 2], "big")
        if ethertype == SLOW_PROTOCOLS and address[2] == socket.PACKET_OUTGOING:
            return frame


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
