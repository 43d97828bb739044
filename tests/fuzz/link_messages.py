"""RTM_NEWLINK, as the kernel sends it: bytes → a `Link`, or MalformedMessage."""

from __future__ import annotations

import struct
from dataclasses import replace

from pf_status_relay.kernel import decode
from pf_status_relay.kernel.decode import Link, MalformedMessage
from tests.fuzz import lines
from tests.support.rtnetlink import IFF_UP, attribute, link_message, nest, text, u8, u16, u32, vf_list


def check(data: bytes) -> None:
    """Decode; then the result, encoded as the kernel does, decodes to the same."""
    try:
        names = decode.decode_names(data)
        lines.check(each for each in (names.name, names.kind, *names.altnames) if each)
        link = decode.decode(data)
    except MalformedMessage as error:
        lines.check([str(error)])
        return
    assert link.ifindex == decode.ifindex_of(data)
    link = replace(link, vfs_listed=len(link.vfs))
    assert decode.decode(laid_out(link)) == link


def laid_out(link: Link) -> bytes:
    """Encode the link as a message, without the program's own encoders."""
    entries = [nest(1, attribute(5, struct.pack("=II", vf.id, vf.link_state))) for vf in link.vfs]
    info = [text(1, link.kind)] if link.kind else []
    if link.kind == "bond":
        bond = [u8(21, link.lacp_fast or 0)]
        bond += [] if link.bond_mode is None else [u8(1, link.bond_mode)]
        bond += [] if link.miimon_ms is None else [u32(3, link.miimon_ms)]
        bond += [] if link.lacp_active is None else [u8(29, link.lacp_active)]
        bond += [] if link.active_aggregator is None else [nest(23, u16(1, link.active_aggregator))]
        info.append(nest(2, *bond))
    port = [u8(7, int(link.port.actor)), u16(8, int(link.port.partner))] if link.port else []
    port += [] if link.aggregator is None else [u16(6, link.aggregator)]
    if port:
        info += [text(4, "bond"), nest(5, *port)]
    return link_message(
        link.ifindex,
        text(3, link.name),
        u32(10, link.master),
        u8(33, link.carrier),
        u32(21, link.vf_count),
        vf_list(entries),
        nest(18, *info),
        link_flags=IFF_UP if link.up else 0,
    )
