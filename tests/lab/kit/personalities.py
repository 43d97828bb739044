"""Drivers of real NICs, as far as they differ in link states of VFs: knobs of the lab's driver (driver.py).

Each was read in the source of Linux 6.12.117, at the place beside it (under drivers/net/ethernet/), and none
was run on hardware.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union

Knobs = Mapping[str, Union[int, str]]
"""Values of knobs, by their names in ../guest/kernel.patch, which describes them."""

EVERY_VF = 0xFFFF_FFFF_FFFF_FFFF
EVERY_CALL = 0xFFFF_FFFF
AUTO, ENABLE, DISABLE = 1, 2, 4
"""Masks of states."""

DEFAULTS: Knobs = {
    "refused_vfs": 0,
    "refused_vfs_states": AUTO | ENABLE | DISABLE,
    "refused_vfs_errno": errno.EOPNOTSUPP,
    "refused_vfs_calls": EVERY_CALL,
    "refused_vfs_ms": 0,
    "refused_vfs_stored": "N",
    "vf_get_ms": 0,
    "missing_vfs": 0,
    "vf_auto_ms": 0,
    "vf_enable_ms": 0,
    "vf_disable_ms": 0,
    "vf_same_ignored": "N",
    "vf_needs_up": "N",
    "vf_needs_legacy": "N",
    "vf_unlisted": 0,
    "vf_born_state": 0,
}
"""A driver that answers at once, never errs, and creates VFs in auto."""


@dataclass(frozen=True)
class Personality:
    """A driver: the name that it tells of itself, its knobs, and its episodes.

    An episode is what it goes through at times: a reset, a firmware that recovers. It has knobs that hold
    meanwhile, and others in `afterwards` that its end turns once.
    """

    driver: str
    knobs: Knobs = field(default_factory=dict)
    episodes: Mapping[str, Knobs] = field(default_factory=dict)
    afterwards: Knobs = field(default_factory=dict)


def refused(error: int, **knobs: int | str) -> Knobs:
    """Return the knobs that refuse every VF with an error; 0: it says that it succeeded and does nothing."""
    return {"refused_vfs_errno": error, **knobs, "refused_vfs": EVERY_VF}


I40E = Personality(
    "i40e",
    # intel/i40e/i40e_virtchnl_pf.c:4783: auto and enable reset the VF, even if nothing changes (:219, :1567)
    {"vf_auto_ms": 60, "vf_enable_ms": 60},
    {
        "operation pending": refused(errno.EAGAIN, refused_vfs_calls=3),  # __I40E_VIRTCHNL_OP_PENDING
        # Tx or Rx rings that do not stop: the state is stored, and the VF has been told
        "rings do not stop": refused(
            errno.ETIMEDOUT, refused_vfs_calls=2, refused_vfs_states=DISABLE, refused_vfs_stored="Y"
        ),
    },
)

ICE = Personality(
    "ice",
    {},
    {
        # intel/ice/ice_sriov.c:1559, :1388: both wait 40 times 20 ms for a reset (ice_vf_lib.c:158); EBUSY
        "reset": {"vf_get_ms": 800, "missing_vfs": EVERY_VF, **refused(errno.EBUSY, refused_vfs_ms=800)},
        # VFs that the reset has disabled (ice_main.c:555) are refused otherwise, at once
        "VFs disabled": {"missing_vfs": EVERY_VF, **refused(errno.EINVAL)},
    },
)

IXGBE = Personality(
    "ixgbe",
    # intel/ixgbe/ixgbe_sriov.c:1757, :1835: auto and disable bounce the VF; enable returns 0 and does nothing
    refused(0, refused_vfs_states=ENABLE),
)

MLX5 = Personality(
    "mlx5_core",
    # mellanox/mlx5/core/en_main.c:4767; switchdev reads disable (eswitch_offloads.c:3561), legacy begins in
    # auto (esw/legacy.c:229)
    {"vf_needs_legacy": "Y"},
    {"recovery": {"missing_vfs": EVERY_VF}},  # !netif_device_present
    {"vf_states": 0},
)

IONIC = Personality(
    "ionic",
    {},
    # pensando/ionic/ionic_lif.c:2596, :2369: while its firmware recovers; it replays states (:2696)
    {"firmware reset": {"missing_vfs": EVERY_VF, **refused(errno.EBUSY)}},
)

BNX2X = Personality(
    "bnx2x",
    # broadcom/bnx2x/bnx2x_sriov.c:2560, :2605, :1450: link_cfg is stored before the check whether the PF is
    # up, and a second call finds nothing to do; it is never reset, so it outlives VFs
    {"vf_needs_up": "Y", "vf_same_ignored": "Y", "vf_born_state": EVERY_CALL},
)

BNXT = Personality(
    "bnxt_en",
    {},
    # broadcom/bnxt/bnxt_sriov.c:335: the flags, which are read, have changed before the firmware is asked
    {"firmware refuses": refused(errno.EIO, refused_vfs_stored="Y")},
)

NFP = Personality(
    "nfp",
    {"vf_born_state": EVERY_CALL},
    # netronome/nfp/nfp_net_sriov.c:226: written to the device's memory, which is read, before the firmware is
    # asked
    {"firmware refuses": refused(errno.EIO, refused_vfs_stored="Y", refused_vfs_ms=5000)},
)

IGB = Personality("igb", refused(errno.EOPNOTSUPP))  # intel/igb/igb_main.c:3037: no ndo_set_vf_link_state

ENA = Personality("ena", {**refused(errno.EOPNOTSUPP), "vf_unlisted": 1})  # amazon/ena: nor ndo_get_vf_config

BE2NET = Personality(
    "be2net",
    # emulex/benet/be_cmds.c:576: waits for its firmware, up to 12 s
    {"vf_auto_ms": 5000, "vf_disable_ms": 5000},
    {"firmware refuses": refused(errno.EIO, refused_vfs_ms=5000)},
)

LIQUIDIO = Personality(
    "liquidio",
    {"vf_same_ignored": "Y", "vf_born_state": EVERY_CALL},
    # cavium/liquidio/lio_main.c:3088: waits for its firmware, and can be interrupted
    {"interrupted": refused(errno.EINTR, refused_vfs_calls=2, refused_vfs_ms=500)},
)

SFC = Personality(
    "sfc",
    {"vf_get_ms": 100},  # sfc/ef10_sriov.c:766: asks its firmware for each VF that is read
    {"firmware silent": {"vf_get_ms": 2000, **refused(errno.ETIMEDOUT, refused_vfs_ms=2000)}},
)

HINIC = Personality(
    "hinic",
    # huawei/hinic/hinic_sriov.c:20, :1095: set by a parameter of its module
    {"vf_born_state": 2},
    # :597: a mailbox that fails is a line in the kernel's log, and success
    {"mailbox fails": refused(0)},
)

ALL = (I40E, ICE, IXGBE, MLX5, IONIC, BNX2X, BNXT, NFP, IGB, ENA, BE2NET, LIQUIDIO, SFC, HINIC)
