"""The kernel, by rtnetlink(7): read a PF's facts, write VF link states, hear that a link changed."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence

from pf_status_relay import linkinfo, messages, vflist
from pf_status_relay.link import Absent, Facts, Master, PhysicalFunction, Unreadable, VirtualFunction

_NLM_F_REQUEST = 0x1
_NLM_F_ACK = 0x4
_NLM_F_DUMP_INTR = 0x10
_NLM_F_ACK_TLVS = 0x200
_NLM_F_DUMP = 0x300
_NLMSGERR_ATTR_MSG = 1

_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_SO_RCVBUFFORCE = 33
_RTMGRP_LINK = 1

_RTEXT_FILTER_VF = 1
_RTEXT_FILTER_SKIP_STATS = 8

_NLMSGHDR = struct.Struct("=IHHII")
_ERRNO = struct.Struct("=i")
_MASTER_ATTRIBUTE = struct.Struct("=HHI")

_IFNAMSIZ = 16
_REPLY_BYTES = 1 << 20  # a PF with 334 VFs answers in 66 KiB
_EVENT_QUEUE_BYTES = 4 << 20
_EVENTS_PER_DRAIN = 1000  # then the PFs are looked at, however many more there are
_READ_TRIES = 3  # of what can change between two requests
_VFS_PER_MESSAGE = 1024  # the list's 16-bit length holds 4095

ANSWER_TIMEOUT_S = 5
"""Seconds to wait for the kernel's answer, which is there when a request returns, or never."""


class Refused(OSError):
    """The kernel answered a request with an error."""


class Rtnl:
    """A netlink socket for requests. Any other OSError than Refused means that it is unusable."""

    def __init__(self) -> None:
        self._socket = _open()
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        timeout = struct.pack("@ll", ANSWER_TIMEOUT_S, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        self._buffer = bytearray(_REPLY_BYTES)
        self._sequence = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def read(self, name: str) -> Facts:
        """Read everything about the PF that has this name or alternative name.

        Raises OSError if the socket is unusable.
        """
        try:
            for _ in range(_READ_TRIES):
                pf = self._link(name=name)
                if pf is None:
                    return Absent("Link not found")
                master = self._master(pf.master) if pf.master else None
                if master or not pf.master:
                    break
            else:
                return Unreadable("its master changes faster than it can be read")
        except Refused as error:
            return Unreadable(error.strerror or str(error))
        except linkinfo.MalformedMessage as error:
            return Unreadable(str(error))
        return PhysicalFunction(
            ifindex=pf.ifindex,
            carrier=pf.carrier,
            master=master,
            port=pf.port,
            vf_count=pf.vf_count,
            vfs_listed=pf.vfs_listed,
            vfs=pf.vfs,
        )

    def set_vf_link_states(self, ifindex: int, vfs: Sequence[VirtualFunction]) -> dict[int, str]:
        """Set the link states of VFs of one PF; return, by VF number, why some were refused.

        They go in one message. The kernel stops at the first that the driver refuses, so then
        each is set by itself. Raises OSError if the socket is unusable.
        """
        refused: dict[int, str] = {}
        for first in range(0, len(vfs), _VFS_PER_MESSAGE):
            batch = vfs[first : first + _VFS_PER_MESSAGE]
            error = self._try_to_set(ifindex, batch)
            if error and len(batch) == 1:
                refused[batch[0].id] = error
            elif error:
                errors = ((vf.id, self._try_to_set(ifindex, [vf])) for vf in batch)
                refused.update((number, reason) for number, reason in errors if reason)
        return refused

    def _try_to_set(self, ifindex: int, vfs: Sequence[VirtualFunction]) -> str:
        try:
            self._ask(
                messages.RTM_SETLINK,
                _NLM_F_ACK,
                [("IFLA_VFINFO_LIST", vflist.encode(vfs))],
                ifindex=ifindex,
            )
        except Refused as error:
            return error.strerror or str(error)
        except linkinfo.MalformedMessage as error:
            return str(error)
        return ""

    def _link(self, name: str = "", ifindex: int = 0) -> linkinfo.Link | None:
        """Read one link, by name or ifindex; None if there is none."""
        attributes: list[tuple[str, object]] = [
            ("IFLA_EXT_MASK", _RTEXT_FILTER_VF | _RTEXT_FILTER_SKIP_STATS),
        ]
        if name:
            short = len(os.fsencode(name)) < _IFNAMSIZ
            attributes.append(("IFLA_IFNAME" if short else "IFLA_ALT_IFNAME", name))
        try:
            answer = self._ask(messages.RTM_GETLINK, 0, attributes, ifindex=ifindex)
        except Refused as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        if not answer:
            raise linkinfo.MalformedMessage("no link in the kernel's answer")
        return linkinfo.decode(answer[0])

    def _master(self, ifindex: int) -> Master | None:
        """Read the master of a PF; None if it is no longer there or no longer its master."""
        link = self._link(ifindex=ifindex)
        ports = self._count_ports(ifindex) if link else 0
        return Master(ifindex, link.name, link.kind, link.bond_mode, ports) if link and ports else None

    def _count_ports(self, master: int) -> int:
        attributes = [("IFLA_EXT_MASK", _RTEXT_FILTER_SKIP_STATS), ("IFLA_MASTER", master)]
        attribute = master_attribute(master)
        for _ in range(_READ_TRIES):
            try:
                links = self._ask(messages.RTM_GETLINK, _NLM_F_DUMP, attributes)
            except Refused as error:
                if error.errno != errno.EINTR:
                    raise
            else:
                return sum(attribute in link for link in links)
        raise Refused(errno.EINTR, "links change faster than their list can be read")

    def _ask(
        self,
        kind: int,
        flags: int,
        attributes: Sequence[tuple[str, object]],
        ifindex: int = 0,
    ) -> Sequence[bytes]:
        """Send a request and return the link messages of the answer.

        Raises Refused, with EINTR where links changed while they were listed, and OSError.
        """
        self._sequence = self._sequence % 0xFFFFFFFF + 1
        request = messages.link_message()
        request["index"] = ifindex
        request["attrs"] = list(attributes)
        request["header"] = {
            "type": kind,
            "flags": _NLM_F_REQUEST | flags,
            "sequence_number": self._sequence,
            "pid": 0,
        }
        request.encode()
        self._socket.send(request.data)
        links: list[bytes] = []
        interrupted = 0
        while True:
            for type_, message in self._receive():
                interrupted |= _NLMSGHDR.unpack_from(message)[2] & _NLM_F_DUMP_INTR
                if type_ in (messages.NLMSG_DONE, messages.NLMSG_ERROR):
                    _raise_if_refused(message)
                    if interrupted:
                        raise Refused(errno.EINTR, os.strerror(errno.EINTR))
                    return links
                links.append(message)
                if flags & _NLM_F_DUMP != _NLM_F_DUMP:
                    return links

    def _receive(self) -> Iterator[tuple[int, bytes]]:
        """Receive one datagram and yield its messages that answer the last request."""
        size, _, flags, sender = self._socket.recvmsg_into([self._buffer])
        if flags & socket.MSG_TRUNC:
            raise Refused(errno.EMSGSIZE, f"the kernel's answer has more than {_REPLY_BYTES} bytes")
        if sender[0] != 0:  # not the kernel
            return
        position = 0
        while position + _NLMSGHDR.size <= size:
            length, kind, _, sequence, _ = _NLMSGHDR.unpack_from(self._buffer, position)
            if length < _NLMSGHDR.size or position + length > size:
                raise linkinfo.MalformedMessage(f"netlink message of {length} bytes in {size - position}")
            if sequence == self._sequence:
                yield kind, bytes(self._buffer[position : position + length])
            position += (length + 3) & ~3


class LinkEvents:
    """Hears of changes of links. An event only says which PF to look at again."""

    def __init__(self) -> None:
        self._socket = _open(groups=_RTMGRP_LINK)
        self._buffer = bytearray(_REPLY_BYTES)
        self._socket.setblocking(False)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _EVENT_QUEUE_BYTES)
        except PermissionError:  # without CAP_NET_ADMIN, as in a dry run: overruns come sooner
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _EVENT_QUEUE_BYTES)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def drain(
        self, by_ifindex: Mapping[int, set[str]], by_content: Mapping[bytes, set[str]]
    ) -> tuple[set[str], bool]:
        """Take the events that are there.

        Returns the names that they concern, and whether events were lost. `by_ifindex` gives the
        names for events about an interface, `by_content` for those that hold certain bytes.
        Raises OSError if the socket is unusable.
        """
        concerned: set[str] = set()
        for _ in range(_EVENTS_PER_DRAIN):
            try:
                size = self._socket.recv_into(self._buffer)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    return concerned, True
                raise
            if size < linkinfo.HEADER_BYTES:
                continue
            message = bytes(self._buffer[:size])
            concerned |= by_ifindex.get(linkinfo.ifindex_of(message), set())
            for content, names in by_content.items():
                if content in message:
                    concerned |= names
        return concerned, False


def name_content(name: str) -> bytes:
    """Return the bytes that a link message about an interface of this name or altname holds."""
    return os.fsencode(name) + b"\0"


def master_attribute(ifindex: int) -> bytes:
    """Return the bytes that a link message about a port of this master holds."""
    return _MASTER_ATTRIBUTE.pack(_MASTER_ATTRIBUTE.size, messages.IFLA_MASTER, ifindex)


def _open(groups: int = 0) -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    try:
        opened.bind((0, groups))
    except OSError:
        opened.close()
        raise
    return opened


def _raise_if_refused(message: bytes) -> None:
    """Raise Refused if the last message of an answer, NLMSG_ERROR or NLMSG_DONE, holds an error."""
    if len(message) < _NLMSGHDR.size + _ERRNO.size:
        raise linkinfo.MalformedMessage("netlink message without an error code")
    code = -_ERRNO.unpack_from(message, _NLMSGHDR.size)[0]
    if code == 0:
        return
    reason = os.strerror(code)
    if _NLMSGHDR.unpack_from(message)[2] & _NLM_F_ACK_TLVS:
        # NETLINK_CAP_ACK leaves the request's header, without its payload, before the attributes.
        start = _NLMSGHDR.size + _ERRNO.size + _NLMSGHDR.size
        for kind, begin, end in messages.attributes(message, start, len(message)):
            if kind == _NLMSGERR_ATTR_MSG:
                said = message[begin + 4 : end].rstrip(b"\0").decode("utf-8", "replace")
                reason = f"{reason}: {said}"
    raise Refused(code, reason)
