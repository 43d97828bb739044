"""Requests to the kernel by rtnetlink(7): read a PF's facts, write VF link states."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from pf_status_relay.core.facts import (
    BOND_MODE_8023AD,
    Absent,
    Facts,
    Master,
    PhysicalFunction,
    Unreadable,
    VirtualFunction,
    unless_named_twice,
)
from pf_status_relay.core.refusals import Refusal
from pf_status_relay.kernel import decode, encode, messages, sysfs
from pf_status_relay.kernel.encode import NLM_F_DUMP, NLMSGHDR
from pf_status_relay.kernel.event_socket import master_attribute, open_route_socket
from pf_status_relay.text import one_line, reason_of

_NLM_F_DUMP_INTR = 0x10
_NLM_F_ACK_TLVS = 0x200
_NLMSGERR_ATTR_MSG = 1

_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11


_ERRNO = struct.Struct("=i")

_MAX_ERRNO = 4095  # include/linux/err.h
_REPLY_BYTES = 1 << 20  # a PF with 334 VFs answers in 66 KiB
_REPLY_DATAGRAMS = 10_000  # 32 KiB each in a list of links: a quarter of a million links, 320 MB
_READ_TRIES = 3  # of facts that can change between two requests

ANSWER_TIMEOUT_S = 5
"""Seconds to wait for the kernel's answer. It is there when the request returns, or never comes."""


class Refused(OSError):
    """The kernel answered a request with an error."""


class RequestSocket:
    """A netlink socket for requests. An OSError other than Refused means that the socket is unusable."""

    def __init__(self) -> None:
        self._socket = open_route_socket()
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        timeout = struct.pack("@ll", ANSWER_TIMEOUT_S, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        self._buffer = bytearray(_REPLY_BYTES)
        self._sequence = 0
        self.multi_port_bonds = False
        """Whether the bond of a PF may have other ports."""

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def read(
        self, name: str, count_lacpdus: bool = False, known: Master | None = None, list_vfs: bool = True
    ) -> Facts:
        """Read everything about the PF that has this name or alternative name.

        With `count_lacpdus` that includes how many LACPDUs its bond port has received. If its master is
        the `known` one, the master is not read again: that takes twice as long as all the rest. Without
        `list_vfs` the result is as if the PF had no VFs. Raises OSError if the socket is unusable.
        """
        try:
            for _ in range(_READ_TRIES):
                pf = self._link(name=name, list_vfs=list_vfs)
                if pf is None:
                    return Absent("Link not found")
                if known and pf.master == known.ifindex:
                    master: Master | None = known
                else:
                    master = self._master(pf.master) if pf.master else None
                if master or not pf.master:
                    lacpdus = self._lacpdus_received(pf.ifindex) if count_lacpdus and pf.port else None
                    break
            else:
                return Unreadable("its master changes faster than it can be read")
        except Refused as error:
            return Unreadable(reason_of(error))
        except decode.MalformedMessage as error:
            return Unreadable(str(error))
        return PhysicalFunction(
            ifindex=pf.ifindex,
            carrier=pf.carrier,
            master=master,
            port=pf.port,
            vf_count=pf.vf_count,
            vfs_listed=pf.vfs_listed,
            vfs=pf.vfs,
            lacpdus_received=lacpdus,
            up=pf.up,
            aggregator=pf.aggregator,
            multi_port=self.multi_port_bonds,
        )

    def read_details(self, pf: PhysicalFunction) -> PhysicalFunction:
        """Return a PF with the facts that explain an outage and need further requests.

        These are the counter of its bond port and its link settings. Raises OSError if the socket is
        unusable.
        """
        try:
            lacpdus = self._lacpdus_received(pf.ifindex)
        except decode.MalformedMessage:
            lacpdus = None
        return replace(pf, lacpdus_received=lacpdus, link_settings=sysfs.link_settings(pf.ifindex))

    def ifindex(self, name: str) -> int | None:
        """Return the ifindex of the interface with this name or alternative name, None if it cannot be read.

        Raises OSError if the socket is unusable.
        """
        try:
            link = self._link(name=name)
        except (Refused, decode.MalformedMessage):
            return None
        return link.ifindex if link else None

    def lacp_ports(self) -> list[str]:
        """Return the names of the interfaces that are the one port of a bond in mode 802.3ad.

        With `multi_port_bonds` they may be one of several.

        Raises Refused, MalformedMessage, and OSError if the socket is unusable.
        """
        names: list[str] = []
        for message in self._list(encode.list_bonds()):
            bond = decode.decode(message)
            if bond.bond_mode == BOND_MODE_8023AD:
                ports = self._ports(bond.ifindex)
                if len(ports) == 1 or self.multi_port_bonds:
                    names += [decode.decode(port).name for port in ports]
        return names

    def names(self) -> list[decode.LinkNames]:
        """Return the names of all interfaces.

        Raises Refused, MalformedMessage, and OSError if the socket is unusable.
        """
        return [decode.decode_names(message) for message in self._list(encode.list_links())]

    def read_all(self, names: Iterable[str]) -> dict[str, Facts]:
        """Read the PFs that have these names, once. Raises OSError if the socket is unusable."""
        read: dict[str, Facts] = {}
        for name in names:
            read[name] = unless_named_twice(self.read(name), read)
        return read

    def set_vf_link_states(self, ifindex: int, vfs: Sequence[VirtualFunction]) -> Refusal | None:
        """Set the link states of VFs of one PF by one message. Return the driver's refusal, if any.

        The kernel stops at the first VF that the driver refuses, and does not say which VF that was. The
        VFs before it are set. Raises OSError if the socket is unusable.
        """
        try:
            self._ask(encode.set_vfs(ifindex, vfs), wait=False)
        except BlockingIOError:
            # A driver's EINTR is the one error without an answer (netlink_rcv_skb, net/netlink/af_netlink.c).
            return Refusal(errno.EINTR, os.strerror(errno.EINTR))
        except Refused as error:
            return Refusal(error.errno or 0, reason_of(error))
        except decode.MalformedMessage as error:
            return Refusal(0, str(error))
        return None

    def _link(self, name: str = "", ifindex: int = 0, list_vfs: bool = True) -> decode.Link | None:
        """Read one link, by name or ifindex; None if there is none."""
        try:
            answer = self._ask(encode.get_link(name, ifindex, list_vfs))
        except Refused as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        if not answer:
            raise decode.MalformedMessage("no link in the kernel's answer")
        return decode.decode(answer[0])

    def _master(self, ifindex: int) -> Master | None:
        """Read the master of a PF; None if it is no longer there or no longer its master."""
        link = self._link(ifindex=ifindex)
        if link is None:
            return None
        # Ports matter only for a bond, and a bridge can have thousands.
        ports = len(self._ports(ifindex)) if link.bond_mode is not None else None
        if ports == 0:
            return None
        return Master(
            ifindex=ifindex,
            name=link.name,
            kind=link.kind,
            bond_mode=link.bond_mode,
            port_count=ports,
            up=link.up,
            miimon_ms=link.miimon_ms,
            lacp_fast=link.lacp_fast,
            lacp_active=link.lacp_active,
            active_aggregator=link.active_aggregator,
        )

    def _lacpdus_received(self, ifindex: int) -> int | None:
        """Read the bond port's counter of received LACPDUs; None where the kernel has none."""
        try:
            answer = self._ask(encode.get_stats(ifindex))
        except Refused:
            return None
        return decode.decode_lacpdus_received(answer[0]) if answer else None

    def _ports(self, master: int) -> list[bytes]:
        """List the ports of a master; a kernel that does not know the filter lists all links."""
        attribute = master_attribute(master)
        return [link for link in self._list(encode.list_ports(master)) if attribute in link]

    def _list(self, request: bytes) -> Sequence[bytes]:
        for _ in range(_READ_TRIES):
            try:
                return self._ask(request)
            except Refused as error:
                if error.errno != errno.EINTR:
                    raise
        raise Refused(errno.EINTR, "links change faster than their list can be read")

    def _ask(self, request: bytes, wait: bool = True) -> Sequence[bytes]:
        """Send a request, under the next sequence number, and return the messages of the answer.

        Raises Refused, with EINTR if links changed while they were listed. Raises OSError; without `wait`,
        BlockingIOError if the answer is not there when the request returns.
        """
        self._sequence = self._sequence % 0xFFFFFFFF + 1
        length, kind, flags, _, port = NLMSGHDR.unpack_from(request)
        header = NLMSGHDR.pack(length, kind, flags, self._sequence, port)
        self._socket.send(header + request[NLMSGHDR.size :])
        answer: list[bytes] = []
        interrupted = 0
        for _ in range(_REPLY_DATAGRAMS):
            for type_, message in self._receive(0 if wait else socket.MSG_DONTWAIT):
                interrupted |= NLMSGHDR.unpack_from(message)[2] & _NLM_F_DUMP_INTR
                if type_ in (messages.NLMSG_DONE, messages.NLMSG_ERROR):
                    _raise_if_refused(message)
                    if interrupted:
                        raise Refused(errno.EINTR, os.strerror(errno.EINTR))
                    return answer
                answer.append(message)
                if flags & NLM_F_DUMP != NLM_F_DUMP:
                    return answer
        raise Refused(errno.EMSGSIZE, f"the kernel's answer has more than {_REPLY_DATAGRAMS} datagrams")

    def _receive(self, flags: int) -> Iterator[tuple[int, bytes]]:
        """Receive one datagram. Yield those of its messages that answer the last request."""
        size, _, flags, sender = self._socket.recvmsg_into([self._buffer], 0, flags)
        if flags & socket.MSG_TRUNC:
            raise Refused(errno.EMSGSIZE, f"the kernel's answer has more than {_REPLY_BYTES} bytes")
        if sender[0] != 0:  # not the kernel
            return
        position = 0
        while position + NLMSGHDR.size <= size:
            length, kind, _, sequence, _ = NLMSGHDR.unpack_from(self._buffer, position)
            if length < NLMSGHDR.size or position + length > size:
                raise decode.MalformedMessage(f"netlink message of {length} bytes in {size - position}")
            if sequence == self._sequence:
                yield kind, bytes(self._buffer[position : position + length])
            position += (length + 3) & ~3


def _raise_if_refused(message: bytes) -> None:
    """Raise Refused if the last message of an answer (NLMSG_ERROR or NLMSG_DONE) holds an error."""
    if len(message) < NLMSGHDR.size + _ERRNO.size:
        raise decode.MalformedMessage("netlink message without an error code")
    code = -_ERRNO.unpack_from(message, NLMSGHDR.size)[0]
    if code == 0:
        return
    if not 0 < code <= _MAX_ERRNO:
        raise decode.MalformedMessage(f"netlink message with the error code {-code}")
    reason = os.strerror(code)
    if NLMSGHDR.unpack_from(message)[2] & _NLM_F_ACK_TLVS:
        # NETLINK_CAP_ACK leaves the request's header, without its payload, before the attributes.
        start = NLMSGHDR.size + _ERRNO.size + NLMSGHDR.size
        for kind, begin, end in messages.attributes(message, start, len(message)):
            if kind == _NLMSGERR_ATTR_MSG:
                said = message[begin + 4 : end].rstrip(b"\0").decode("utf-8", "replace")
                reason = f"{reason}: {one_line(said)}"
    raise Refused(code, reason)
