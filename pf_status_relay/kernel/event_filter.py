"""A socket filter, in classic BPF, that drops the events of other interfaces in the kernel.

A busy node creates and deletes veth pairs all day. Without a filter each of their events wakes the
relay. bpf(2) says what a filter is, include/uapi/linux/filter.h and bpf_common.h have its numbers,
and the kernel's Documentation/networking/filter.rst describes its language.
"""

from __future__ import annotations

import socket
import struct
from array import array
from collections.abc import Iterable

from pf_status_relay.kernel import messages

_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27

_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter: code, jump if true, if false, operand
_PROGRAM = struct.Struct("@HP")  # struct sock_fprog: instructions, where they are

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS: a word of the message, in network order
_LOAD_BEHIND_X = 0x40  # BPF_LD | BPF_W | BPF_IND
_LOAD_NUMBER = 0x00  # BPF_LD | BPF_IMM
_LOAD_X_NUMBER = 0x01  # BPF_LDX | BPF_IMM
_A_TO_X = 0x07  # BPF_MISC | BPF_TAX
_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_END = 0x06  # BPF_RET | BPF_K: how many bytes of the message to keep

_FIND_ATTRIBUTE = (-0x1000 + 12) & 0xFFFFFFFF  # SKF_AD_OFF + SKF_AD_NLATTR: type X, from A on; 0: none
_ALL = 0xFFFFFFFF
_NONE = 0
_IFINDEX_AT = 20
_ATTRIBUTES_AT = 32
_PAYLOAD = 4

MAX_NUMBERS = 2000
"""Maximum number of ifindexes in a filter (BPF_MAXINSNS is 4096)."""


def attach(listener: socket.socket, ifindexes: Iterable[int], masters: Iterable[int]) -> None:
    """Let a socket receive only link events of these interfaces, and of ports of these masters.

    Both together may be up to MAX_NUMBERS. Raises OSError.
    """
    code = program(ifindexes, masters)
    instructions = array("B", code)
    address, _ = instructions.buffer_info()
    fprog = _PROGRAM.pack(len(code) // _INSTRUCTION.size, address)
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)


def remove(listener: socket.socket) -> None:
    """Remove the filter of a socket: it receives all events again. Raises OSError."""
    listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)


def program(ifindexes: Iterable[int], masters: Iterable[int]) -> bytes:
    """Return the filter's instructions: accept events of these interfaces, and of these masters' ports."""
    return b"".join(
        (
            _instruction(_LOAD, _IFINDEX_AT),
            *map(_accept, ifindexes),
            _instruction(_LOAD_NUMBER, _ATTRIBUTES_AT),
            _instruction(_LOAD_X_NUMBER, messages.IFLA_MASTER),
            _instruction(_LOAD, _FIND_ATTRIBUTE),
            _instruction(_IF_EQUAL, 0, if_false=1),
            _instruction(_END, _NONE),
            _instruction(_A_TO_X),
            _instruction(_LOAD_BEHIND_X, _PAYLOAD),
            *map(_accept, masters),
            _instruction(_END, _NONE),
        )
    )


def _accept(ifindex: int) -> bytes:
    """Return the instructions that keep a message if the loaded word, in host order, is this ifindex."""
    (loaded,) = struct.unpack("!I", struct.pack("=I", ifindex))
    return _instruction(_IF_EQUAL, loaded, if_false=1) + _instruction(_END, _ALL)


def _instruction(code: int, operand: int = 0, if_false: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, 0, if_false, operand)
