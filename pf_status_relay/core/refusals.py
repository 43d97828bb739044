"""Why a driver refuses to set a VF's link state, sorted by what to do about it.

From the drivers of Linux 6.12 (drivers/net/ethernet); docs/drivers.md names them.

    for now     the driver is busy: a reset, a firmware command, a signal. The relay asks again within a
                second, and logs nothing unless the refusals go on.
    for good    the driver, its mode or a missing capability does not allow it. The relay asks less and less
                often.
    other       an error, logged at once; the relay asks again each second.
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
"""Includes EINVAL: ice and i40e return it in a reset, bnx2x while the PF is down."""
_FOR_GOOD = frozenset((errno.EOPNOTSUPP, errno.EPERM))


class Refusal(NamedTuple):
    """Why a write was refused: the error number (errno.h; 0 if the kernel gave none), and a text."""

    code: int
    reason: str

    @property
    def kind(self) -> Kind:
        """The kind: what to do about it."""
        if self.code in _FOR_NOW:
            return Kind.FOR_NOW
        return Kind.FOR_GOOD if self.code in _FOR_GOOD else Kind.OTHER

    @property
    def unsupported(self) -> bool:
        """Whether the driver cannot set link states at all, or not in its current mode."""
        return self.code == errno.EOPNOTSUPP

    @property
    def leaves_doubt(self) -> bool:
        """Whether a read may show the new state: bnxt, nfp and i40e keep one that the hardware refused."""
        return self.kind is not Kind.FOR_GOOD and self.code not in _BUSY
