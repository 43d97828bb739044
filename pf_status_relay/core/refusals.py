"""Why a driver refuses to set a VF's link state, told apart by what to do about it.

Read in the drivers of Linux 6.12 (drivers/net/ethernet); docs/drivers.md names them.

    for now     the driver is in the middle of something: a reset, a firmware command, a signal. It is asked
                again within a second, and nothing is logged unless that lasts.
    for good    the driver, its mode or a missing capability does not allow it. It is asked ever more seldom.
    other       an error, logged at once; the driver is asked again each second.
"""

from __future__ import annotations

import errno
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What to do about a refusal; the value is a label of the metrics."""

    FOR_NOW = "for_now"
    FOR_GOOD = "for_good"
    OTHER = "other"


_BUSY = frozenset((errno.EAGAIN, errno.EBUSY))
_FOR_NOW = _BUSY | {errno.EINTR, errno.ETIMEDOUT, errno.EINVAL}
"""EINVAL, because ice and i40e answer so in a reset, and bnx2x while the PF is down."""
_FOR_GOOD = frozenset((errno.EOPNOTSUPP, errno.EPERM))


class Refusal(NamedTuple):
    """Why a write was refused: the error's number (errno.h), 0 where the kernel gave none, and its reason."""

    code: int
    reason: str

    @property
    def kind(self) -> Kind:
        """What to do about it."""
        if self.code in _FOR_NOW:
            return Kind.FOR_NOW
        return Kind.FOR_GOOD if self.code in _FOR_GOOD else Kind.OTHER

    @property
    def unsupported(self) -> bool:
        """Whether the driver cannot set link states, or not in its present mode."""
        return self.code == errno.EOPNOTSUPP

    @property
    def leaves_doubt(self) -> bool:
        """Whether the new state may show: bnxt, nfp and i40e keep one that the hardware refused."""
        return self.kind is not Kind.FOR_GOOD and self.code not in _BUSY
