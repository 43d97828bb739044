"""A PF's driver: how it treats link states of VFs, and what it was asked to do.

The driver is netdevsim, taught by ../guest/kernel.patch, which describes each knob.
"""

from __future__ import annotations

from pathlib import Path

from tests.lab.kit.commands import run, write
from tests.lab.kit.personalities import DEFAULTS, EVERY_CALL, EVERY_VF, Personality

DEBUG = "/sys/kernel/debug/netdevsim"
STATES = ("auto", "enable", "disable")
"""By their numbers (IFLA_VF_LINK_STATE_*)."""


def mask(vfs: tuple[int, ...]) -> int:
    """Return the mask of these VFs (0 to 63), of all VFs if there is none."""
    return sum(1 << vf for vf in set(vfs)) if vfs else EVERY_VF


class Driver:
    """The driver of one PF. What a method changes holds until it is changed again."""

    def __init__(self, number: int, personality: Personality | None = None) -> None:
        self._device = f"netdevsim/netdevsim{number}"
        self._folder = f"{DEBUG}/netdevsim{number}"
        self.personality = personality
        if personality:
            self.set(**personality.knobs, driver=personality.driver)

    def begin(self, episode: str) -> None:
        """Begin an episode of its personality."""
        assert self.personality is not None
        self.set(**self.personality.episodes[episode])

    def end(self, episode: str) -> None:
        """End an episode; its `afterwards` comes first, so that nobody sees the end without it."""
        assert self.personality is not None
        begun = self.personality.episodes[episode]
        usual = {**DEFAULTS, **self.personality.knobs}
        self.set(**self.personality.afterwards, **{knob: usual[knob] for knob in reversed(list(begun))})

    def set(self, **knobs: int | str) -> None:
        """Turn knobs, in this order."""
        for name, value in knobs.items():
            write(f"{self._folder}/{name}", str(value))

    @property
    def writes(self) -> int:
        """Return how often it was asked to set VF link states. Reading takes no lock and looks at no link."""
        return self._count("vf_writes")

    @property
    def same_writes(self) -> int:
        """Return how often it was asked for a state that the VF already had. i40e resets the VF for that."""
        return self._count("vf_same_writes")

    @property
    def written_at(self) -> float:
        """Return when it last began or ended to set a VF's link state: monotonic seconds, 0 if never."""
        return self._count("vf_written_ns") / 1e9

    def takes(self, *, auto: int = 0, enable: int = 0, disable: int = 0) -> None:
        """Make it hold the RTNL lock for so many ms for each VF set to a state, even to its own."""
        self.set(vf_auto_ms=auto, vf_enable_ms=enable, vf_disable_ms=disable)

    def refuse(
        self,
        *vfs: int,
        error: int | None = None,
        calls: int = EVERY_CALL,
        states: tuple[str, ...] = STATES,
        stored: bool = False,
        ms: int = 0,
    ) -> None:
        """Make it refuse to set the link state of these VFs (0 to 63), of all VFs if none is named.

        `error` is the errno it refuses with, by default as last time, at first EOPNOTSUPP; with 0 it says
        that it succeeded. `calls` is how often, `states` which ones, `ms` how long each refusal takes.
        `stored`: the VF gets the state all the same.
        """
        if error is not None:
            self.set(refused_vfs_errno=error)
        self.set(
            refused_vfs_calls=calls,
            refused_vfs_states=hex(sum(1 << STATES.index(state) for state in states)),
            refused_vfs_stored="Y" if stored else "N",
            refused_vfs_ms=ms,
            refused_vfs=hex(mask(vfs)),
        )

    def accept(self) -> None:
        """Make it accept every VF's link state again."""
        self.set(refused_vfs=0)

    def hide(self, *vfs: int) -> None:
        """Make these VFs (0 to 63) unreadable, all if none is named: the PF's list lacks them."""
        self.set(missing_vfs=hex(mask(vfs)))

    def show(self) -> None:
        """Make all VFs readable again."""
        self.set(missing_vfs=0)

    def list_vfs(self, listed: bool) -> None:
        """Give the PF a list of VFs, or none at all, as of a driver that cannot read VFs."""
        self.set(vf_unlisted=int(not listed))

    def put_vfs(self, state: str) -> None:
        """Put all VFs in one link state, as a firmware that recovers does. There is no link event."""
        self.set(vf_states=STATES.index(state))

    def set_mode(self, mode: str) -> None:
        """Set the eswitch mode: "legacy" or "switchdev" (which makes an interface for each VF)."""
        run("devlink", "dev", "eswitch", "set", self._device, "mode", mode)

    def _count(self, name: str) -> int:
        return int(Path(self._folder, name).read_text())
