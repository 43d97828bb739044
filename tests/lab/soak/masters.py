"""What the PFs of a sequence are ports of: bonds and bridges, made, joined, left, renamed, deleted."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from tests.lab.kit import observer
from tests.lab.kit.commands import ip
from tests.lab.kit.lab import Lab
from tests.lab.kit.topology import Bridge, Master, Pf
from tests.lab.soak.history import History


class Masters:
    """The steps that happen to masters. Each returns what it did, in words; an empty text if nothing.

    Each PF has a bond of its own at first; `second_port` is for joining one of them.
    """

    def __init__(self, lab: Lab, history: History, pfs: Mapping[str, Pf], second_port: Pf) -> None:
        self._lab = lab
        self._history = history
        self._pfs = pfs
        self._second_port = second_port
        self._own: dict[str, Master] = {name: pf.bond for name, pf in pfs.items()}
        self._others: dict[str, Master] = {}
        self._names = (f"master{number}" for number in itertools.count())

    def fix(self, name: str) -> list[str]:
        """Make a PF the only port of a bond of its own, and set that up."""
        own, mended = self._own.get(name), []
        if self._second_port.master is own:
            mended.append(self.remove_second_port())
        if own is None or self._pfs[name].master is not own:
            mended.append(self.move(name, "its bond"))
        return [*mended, self.set_up(name)]

    def move(self, name: str, to: str) -> str:
        """Take the PF out of its master, if any, and put it into another, which is made if need be."""
        pf = self._pfs[name]
        if not pf.exists() or (to == "nothing" and not pf.master):
            return ""

        def move() -> None:
            if pf.master:
                pf.master.remove(pf)
            if to != "nothing":
                self._master(name, to).add(pf)

        return self._history.act(f"{name} moved to {to}", move)

    def _master(self, name: str, which: str) -> Master:
        masters, key = (self._own, name) if which == "its bond" else (self._others, which)
        if key not in masters:
            made = next(self._names)
            masters[key] = (
                Bridge(made)
                if which == "a bridge"
                else self._lab.bond(made, "active-backup" if which == "an active-backup bond" else "802.3ad")
            )
        return masters[key]

    def add_second_port(self, name: str) -> str:
        """Add another port to the PF's bond."""
        pf, other = self._pfs[name], self._second_port
        if not pf.exists() or not pf.master or other.master is pf.master:
            return ""
        master = pf.master

        def join() -> None:
            if other.master:
                other.master.remove(other)
            master.add(other)

        return self._history.act(f"{master.name}, where {name} is, gets a second port", join)

    def remove_second_port(self) -> str:
        """Take the second port out again."""
        other, master = self._second_port, self._second_port.master
        if not master:
            return ""
        return self._history.act(f"the second port leaves {master.name}", lambda: master.remove(other))

    def delete(self, name: str) -> str:
        """Delete the PF's bond or bridge."""
        master = self._pfs[name].master
        if not master:
            return ""

        def do() -> None:
            master.delete()
            for pf in (*self._pfs.values(), self._second_port):
                if pf.master is master:
                    pf.master = None
            for masters in (self._own, self._others):
                for key in [key for key, each in masters.items() if each is master]:
                    del masters[key]

        return self._history.act(f"{master.name}, where {name} is, is deleted", do)

    def rename(self, name: str) -> str:
        """Rename the PF's bond or bridge."""
        master = self._pfs[name].master
        if not master:
            return ""
        old, new = master.name, next(self._names)

        def rename() -> None:
            ip(f"link set dev {old} name {new}")
            master.name = new

        return self._history.act(f"{old}, where {name} is, renamed to {new}", rename)

    def set_down(self, name: str) -> str:
        """Set the PF's bond or bridge down, as an administrator does."""
        return self._set(name, "down")

    def set_up(self, name: str) -> str:
        """Set the PF's bond or bridge up, as an administrator does."""
        return self._set(name, "up")

    def _set(self, name: str, state: str) -> str:
        master = self._pfs[name].master
        if not master or self._is_up(master) is (state == "up"):
            return ""
        return self._history.act(
            f"{master.name}, where {name} is, set {state}", master.up if state == "up" else master.down
        )

    def _is_up(self, master: Master) -> bool:
        link = observer.read(master.name)
        return link is not None and link.up
