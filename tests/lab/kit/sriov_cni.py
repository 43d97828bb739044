"""What sriov-cni asks of the kernel when a pod's VF is set up (ADD) and given back (DEL). A stand-in.

Written from its source of July 2026 (k8snetworkplumbingwg/sriov-cni, pkg/cnicommands and pkg/sriov). ADD
reads the VF, and sets its VLAN and the network's `link_state`. DEL sets VLAN, MAC and, if the network has a
`link_state`, the link state that ADD has read, whatever has changed since. Each is a request of its own. The
VFs of the lab are no network devices, so none is moved into a pod.
"""

from __future__ import annotations

import socket
import struct

from tests.lab.kit.observer import VF_LINK_STATES
from tests.lab.kit.topology import Pf
from tests.support import rtnetlink as nl

ETH_P_8021Q = 0x8100


class Attachment:
    """A pod's network on one VF.

    `link_state` is that of the network (linkState of OpenShift's SriovNetwork), None if it has none. A
    request that the kernel refuses raises OSError.
    """

    def __init__(self, pf: Pf, vf: int, link_state: str | None) -> None:
        self._pf = pf
        self._vf = vf
        self._link_state = link_state
        self._found = ""
        self._socket = nl.RouteSocket()

    def add(self) -> None:
        """Do what ADD does."""
        self._found = self._pf.vf_states()[self._vf]
        self._set_vlan()
        if self._link_state:
            self._set_link_state(self._link_state)

    def delete(self) -> None:
        """Do what DEL does."""
        self._set_vlan()
        self._ask(nl.attribute(nl.IFLA_VF_MAC, struct.pack("=I32x", self._vf)))  # it had none
        if self._link_state:
            self._set_link_state(self._found)

    def _set_vlan(self) -> None:
        """Set VLAN 0, as for a network that has none."""
        vlan = struct.pack("=IIIH2x", self._vf, 0, 0, socket.htons(ETH_P_8021Q))
        self._ask(nl.nest(nl.IFLA_VF_VLAN_LIST, nl.attribute(nl.IFLA_VF_VLAN_INFO, vlan)))

    def _set_link_state(self, state: str) -> None:
        number = struct.pack("=II", self._vf, VF_LINK_STATES.index(state))
        self._ask(nl.attribute(nl.IFLA_VF_LINK_STATE, number))

    def _ask(self, setting: bytes) -> None:
        vfs = nl.nest(nl.IFLA_VFINFO_LIST, nl.nest(nl.IFLA_VF_INFO, setting))
        flags = nl.NLM_F_REQUEST | nl.NLM_F_ACK
        self._socket.ask(nl.request(nl.RTM_SETLINK, flags, vfs, ifindex=self._pf.ifindex))
