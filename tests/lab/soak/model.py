"""The model: a host with PFs, switches and a relay, and everything that can happen to it, step by step.

Each step is a method that does it to the real kernel and returns what it did, in words; an empty text if
the host is in no state for it. `history` keeps what was done, so that properties.py can tell the relay's
doing from others'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from pathlib import Path

from tests.lab.kit import observer
from tests.lab.kit.commands import ip
from tests.lab.kit.lab import Lab
from tests.lab.kit.personalities import ENA, IGB, IXGBE, Personality
from tests.lab.kit.switch import DIRECTIONS
from tests.lab.kit.topology import Pf
from tests.lab.soak.bfdd import PATH, Bfdd
from tests.lab.soak.history import History
from tests.lab.soak.lives import Lives
from tests.lab.soak.masters import Masters
from tests.lab.soak.sequences import CONFIGURED, DECOY, PFS, Step

VFS = 3
TIMEOUT = 1
"""The diagnostic of a detection timeout (RFC 5880, 4.1)."""
MEASURED_AFTER_S = 1.0
DRAINS = Path("/run/pf-status-relay.drain.d")
STATES_OF_DECOY = ("auto", "disable", "enable")


def drain_file(name: str, owner: str) -> Path:
    """Return the file by which somebody drains a PF."""
    return DRAINS / f"{name}@{owner}.toml"


class Model:
    """PFs ens5f0 and ens5f1, which are monitored, and ens6f0, which is not; each has a switch of its own.

    `steps` has what was taken: the number in the stream, when, and what it did.
    """

    def __init__(
        self,
        lab: Lab,
        polling_interval_ms: int,
        drivers: Mapping[str, Personality | None],
        group: tuple[str, ...],
        bfd: bool,
    ) -> None:
        self.lab = lab
        self.drivers = drivers
        self.pfs = {name: lab.pf_with_lacp(name, vfs=VFS, driver=drivers[name], wait=False) for name in PFS}
        self.episodes: dict[int, str] = {}
        second_port = lab.pf("ens7f0", vfs=0)
        self.steps: list[tuple[int, float, str]] = []
        for vf, state in enumerate(STATES_OF_DECOY):
            self.pfs[DECOY].set_vf_state(vf, state)
        for pf in self.pfs.values():
            pf.wait_for_lacp()
        self.history = History()
        for name in PFS:
            self._refuses_always(name)
        self.masters = Masters(lab, self.history, self.pfs, second_port)
        self.drains: set[tuple[str, str]] = set()
        DRAINS.mkdir()
        self.bonds = {name: self.pfs[name].bond.name for name in PFS[:2]}
        self.bfdd = Bfdd(tuple(self.bonds.values())) if bfd else None
        self.sessions: dict[str, str] = {}
        self.relay = Lives(lab, self.history, CONFIGURED, polling_interval_ms, group, PATH if bfd else None)
        self.relay.start()

    def take(self, number: int, step: Step) -> bool:
        """Take a step and let its pause pass; return whether the host was in a state for it."""
        begun = self.lab.now
        story: str = attrgetter(step.what)(self)(*step.arguments)
        if story:
            self.steps.append((number, begun, story))
            self.lab.sleep(step.pause_s)
            if step.pause_s >= MEASURED_AFTER_S and self.relay.last.is_awake():
                self._measure()
        return bool(story)

    def come_to_rest(self, quiet_s: float) -> float:
        """Let the relay act, and wait until the ports have been as they are for `quiet_s` seconds.

        Returns since when they have (monotonic seconds). LACP may well be on its way to another state:
        what counts is that the relay had nothing to do in that time.
        """
        self.relay.thaw()
        self.relay.start()
        since, before = self.lab.now, self._ports()
        while self.lab.now - since < quiet_s:
            self.lab.sleep(0.1)
            if self._ports() != before:
                since, before = self.lab.now, self._ports()
        self._measure()
        return since

    def _measure(self) -> None:
        self.relay.last.measure(self.bfdd.connections if self.bfdd else 0)

    def _ports(self) -> list[object]:
        links = self.history.look().links
        return [(index, link.port_state, link.carrier) for index, link in links.items()]

    # LACP and the cable

    def block_lacp(self, name: str, direction: str) -> str:
        """Drop LACPDUs, on their way to the switch or to the host."""
        cable = self.pfs[name].cable
        if cable.blocked.issuperset(DIRECTIONS[direction]):
            return ""
        return self.history.act(
            f"LACPDUs of {name} are lost {direction}", lambda: cable.block_lacp(direction)
        )

    def unblock_lacp(self, name: str) -> str:
        """Let LACPDUs pass again, both ways."""
        cable = self.pfs[name].cable
        return self.history.act(f"LACPDUs of {name} pass again", cable.unblock_lacp) if cable.blocked else ""

    def partner_stops_aggregating(self, name: str) -> str:
        """Change the partner's bits alone, which the kernel does not announce."""
        port = self.pfs[name].cable.port
        if port.announces_falsely:
            return ""
        return self.history.act(f"the switch of {name} stops aggregating", port.switch.stop_aggregating)

    def partner_aggregates_again(self, name: str) -> str:
        """Put the partner's true bits back."""
        port = self.pfs[name].cable.port
        if not port.announces_falsely:
            return ""
        return self.history.act(f"the switch of {name} aggregates again", port.switch.resume_aggregating)

    def pull_cable(self, name: str) -> str:
        """Take the carrier away."""
        pf = self.pfs[name]
        return (
            self.history.act(f"{name}: cable pulled", pf.cable.pull)
            if pf.exists() and pf.cable.plugged
            else ""
        )

    def plug_cable(self, name: str) -> str:
        """Give the carrier back."""
        pf = self.pfs[name]
        return (
            self.history.act(f"{name}: cable plugged", pf.cable.plug)
            if pf.exists() and not pf.cable.plugged
            else ""
        )

    # The PF

    def set_down(self, name: str) -> str:
        """Set a PF down, as an administrator does."""
        pf = self.pfs[name]
        return self.history.act(f"{name} set down", pf.down) if pf.exists() and pf.link().up else ""

    def set_up(self, name: str) -> str:
        """Set a PF up, as an administrator does."""
        pf = self.pfs[name]
        return self.history.act(f"{name} set up", pf.up) if pf.exists() and not pf.link().up else ""

    def delete_pf(self, name: str) -> str:
        """Unbind the PF's driver."""
        pf = self.pfs[name]
        return self.history.act(f"{name} deleted", pf.delete) if pf.exists() else ""

    def create_pf(self, name: str) -> str:
        """Bring the PF back: with another ifindex, in no bond, its VFs in auto."""
        pf = self.pfs[name]
        if pf.exists() or observer.read(pf.name):
            return ""
        story = self.history.act(f"{name} created anew as {pf.name}", pf.recreate)
        self._refuses_always(name)
        return story

    def rename_pf(self, name: str, to: str) -> str:
        """Rename a PF: it gets a configured name, or loses it."""
        pf = self.pfs[name]
        if not pf.exists() or observer.read(to):
            return ""
        return self.history.act(f"{name} renamed from {pf.name} to {to}", lambda: pf.rename(to))

    def add_altname(self, name: str) -> str:
        """Give the PF the configured alternative name."""
        pf = self.pfs[name]
        if not pf.exists() or observer.read(CONFIGURED[-1]):
            return ""
        return self.history.act(
            f"{name} gets altname {CONFIGURED[-1]}", lambda: pf.add_altname(CONFIGURED[-1])
        )

    def remove_altname(self) -> str:
        """Take the alternative name away from the PF that has it."""
        bearer = observer.read(CONFIGURED[-1])
        if bearer is None:
            return ""
        command = f"link property del dev {bearer.name} altname {CONFIGURED[-1]}"
        return self.history.act(f"altname {CONFIGURED[-1]} removed", lambda: ip(command))

    # Its VFs

    def change_vfs(self, name: str, count: int) -> str:
        """Remove all VFs, and create some."""
        pf = self.pfs[name]
        if not pf.exists():
            return ""
        return self.history.act(
            f"{name} has {count} new VFs", lambda: pf.set_vfs(count), ifindex=pf.ifindex, became="auto"
        )

    def set_vf(self, name: str, vf: int, state: str) -> str:
        """Set a VF's link state, as somebody else than the relay."""
        pf = self.pfs[name]
        if not pf.exists() or vf >= len(pf.vf_states()) or vf in self._refused(pf):
            return ""
        if state == "enable" and self.drivers[name] is IXGBE:
            return ""
        return self.history.act(
            f"somebody sets VF {vf} of {name} to {state}",
            lambda: pf.set_vf_state(vf, state),
            ifindex=pf.ifindex,
            vf=vf,
            became=state,
        )

    def refuse(self, name: str, vf: int, which: str, error: int) -> str:
        """Let the driver refuse the link state of a VF or of all."""
        pf = self.pfs[name]
        if not pf.exists() or self._refused(pf):
            return ""
        vfs = (vf,) if which == "that VF" else ()
        return self.history.act(
            f"the driver of {name} refuses the link state of {f'VF {vf}' if vfs else which}",
            lambda: pf.driver.refuse(*vfs, error=error),
            ifindex=pf.ifindex,
            vf=vf if vfs else None,
            accepts=False,
        )

    def accept(self, name: str) -> str:
        """Let the driver take the link states of all VFs again."""
        pf = self.pfs[name]
        if not pf.exists() or not self._refused(pf) or pf.ifindex in self.episodes or self._never(name):
            return ""
        story = f"the driver of {name} takes link states again"
        return self.history.act(story, pf.accept_vfs, ifindex=pf.ifindex, accepts=True)

    def begin_episode(self, name: str, which: int) -> str:
        """Let the driver reset, or its firmware hang: it refuses VFs, hides them, forgets states."""
        pf, driver = self.pfs[name], self.drivers[name]
        if driver is None or not driver.episodes or not pf.exists() or self._refused(pf):
            return ""
        episode = list(driver.episodes)[which % len(driver.episodes)]
        self.episodes[pf.ifindex] = episode
        return self.history.act(
            f"{driver.driver} of {name}: {episode} begins",
            lambda: pf.driver.begin(episode),
            ifindex=pf.ifindex,
            accepts=False,
        )

    def end_episode(self, name: str) -> str:
        """Make the driver well again."""
        pf, driver = self.pfs[name], self.drivers[name]
        if driver is None or not pf.exists() or pf.ifindex not in self.episodes:
            return ""
        episode = self.episodes.pop(pf.ifindex)
        return self.history.act(
            f"{driver.driver} of {name}: {episode} ends",
            lambda: pf.driver.end(episode),
            ifindex=pf.ifindex,
            became="auto" if driver.afterwards else "",
            accepts=True,
        )

    def written_at(self) -> list[tuple[int, float]]:
        """Return when the driver of each PF that can be set was last asked to set a VF, by ifindex."""
        pfs = [pf for pf in self.pfs.values() if pf.exists() and not self._refused(pf)]
        return [(pf.ifindex, pf.driver.written_at) for pf in pfs]

    def _never(self, name: str) -> bool:
        return self.drivers[name] in (IGB, ENA)

    def _refuses_always(self, name: str) -> None:
        if self._never(name):
            self.history.act("", lambda: None, ifindex=self.pfs[name].ifindex, accepts=False)

    def _refused(self, pf: Pf) -> set[int]:
        refused: set[int] = set()
        for act in self.history.acts:
            if act.ifindex == pf.ifindex and act.accepts is not None:
                refused = set() if act.accepts else set(range(64)) if act.vf is None else {act.vf}
        return refused

    # Drains

    def drain(self, name: str, owner: str) -> str:
        """Drain a PF, by name, whether or not there is one."""
        if (name, owner) in self.drains:
            return ""
        self.drains.add((name, owner))
        return self._drained(
            f"{owner} drains {name}", lambda: drain_file(name, owner).write_text('reason = "the soak"')
        )

    def undrain(self, name: str, owner: str) -> str:
        """Remove the drain."""
        if (name, owner) not in self.drains:
            return ""
        self.drains.remove((name, owner))
        return self._drained(f"{owner} undrains {name}", drain_file(name, owner).unlink)

    def _drained(self, story: str, do: Callable[[], object]) -> str:
        def both() -> None:
            do()
            self.relay.wake()

        return self.history.act(story, both, drains=frozenset(self.drains))

    # BFD: what bfdd tells of the session on the bond that a PF had at first

    def bfd_up(self, name: str) -> str:
        """Bring the session up."""
        return self._bfd(f"BFD on {self.bonds[name]} is up", [name], "up", 0)

    def bfd_down(self, name: str, diagnostic: int) -> str:
        """Take the session down, for a reason of RFC 5880."""
        if self.sessions.get(name) != "up":
            return ""
        story = f"BFD on {self.bonds[name]} is down, diagnostic {diagnostic}"
        return self._bfd(story, [name], "down", diagnostic)

    def bfd_all_time_out(self) -> str:
        """Let all sessions that are up time out at once."""
        up = [name for name, state in self.sessions.items() if state == "up"]
        return self._bfd(f"BFD times out on {', '.join(up)}", up, "down", TIMEOUT) if up else ""

    def bfdd_restarts(self) -> str:
        """Close all connections, with no session up."""
        if self.bfdd is None:
            return ""
        self.sessions.clear()
        return self.history.act("bfdd restarts", self.bfdd.restart, timed_out=frozenset())

    def bfdd_sends_garbage(self) -> str:
        """Send garbage: the relay hangs up, and comes back."""
        return self.history.act("bfdd sends garbage", self.bfdd.send_garbage) if self.bfdd else ""

    def _bfd(self, story: str, names: list[str], state: str, diagnostic: int) -> str:
        if self.bfdd is None:
            return ""
        bfdd = self.bfdd
        for name in names:
            self.sessions[name] = "timed out" if diagnostic == TIMEOUT else state

        def tell() -> None:
            for name in names:
                bfdd.tell(self.bonds[name], state, diagnostic)

        timed_out = [self.bonds[name] for name, state in self.sessions.items() if state == "timed out"]
        return self.history.act(story, tell, timed_out=frozenset(timed_out))

    # All is well again, or nothing happens

    def fix(self, name: str) -> str:
        """Put right whatever is wrong with a PF, except its VFs' link states and its names."""
        pf = self.pfs[name]
        mended = [self.create_pf(name)]
        if not pf.exists():
            return ""
        if pf.name != name:
            mended.append(self.rename_pf(name, name))
        mended += [self.end_episode(name), self.accept(name), self.plug_cable(name), self.unblock_lacp(name)]
        mended.append(self.partner_aggregates_again(name))
        mended += [self.undrain(*each) for each in sorted(self.drains) if each[0] == name]
        if name in self.bonds and self.sessions.get(name) == "timed out":
            mended.append(self.bfd_up(name))
        mended += self.masters.fix(name)
        mended = [*filter(None, [*mended, self.set_up(name)])]
        return f"all is well with {name} again: {', '.join(mended)}" if mended else ""

    def wait(self, seconds: int) -> str:
        """Do nothing."""
        self.lab.sleep(seconds)
        return f"{seconds} s pass"
