"""`python -m tests.lab.kit.flaps [NUMBER]`: 10,000 flaps of LACP, or so many, and what they leave behind.

PFS PFs lose LACP together, by a silent switch, and get it back, over and over, in virtual time. On the host
this boots a guest and prints the figures that the guest found.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.lab.guest import scenario
from tests.lab.guest.command import run_inside
from tests.lab.kit.lab import Lab
from tests.lab.kit.program import Relay
from tests.lab.kit.topology import Pf

PFS = 10
VFS = 4
WARM_ROUNDS = 3
"""Rounds before the first measurement. After them the interpreter holds all that it keeps."""
HOST_S_PER_FLAP = 1.0
"""Seconds of the host that a flap takes on a slow machine, boot included."""


class Figures(NamedTuple):
    """What was counted. `grown_kb` is resident memory, `grown_descriptors` open files, since warm."""

    flaps: int
    lost: int
    lines: int
    expected_lines: int
    grown_kb: int
    grown_descriptors: int


def play(lab: Lab, flaps: int) -> Figures:
    """Flap PFS PFs together until that many are done. `lost` changes of LACP were not followed."""
    switch = lab.switch("sw0")
    names = [f"ens{number}" for number in range(PFS)]
    pfs = [lab.pf_with_lacp(name, VFS, switch=switch, wait=False) for name in names]
    for pf in pfs:
        pf.wait_for_lacp()
    relay = lab.relay(names)
    for name in names:
        relay.wait_for("lacp is up", interface=name)
    done = 0
    for _ in range(WARM_ROUNDS):
        flap(lab, pfs)
        done += PFS
    before = usage(relay)
    while done < flaps:
        flap(lab, pfs)
        done += PFS
    after = usage(relay)
    lab.sleep(1)
    downs, ups = len(relay.events("lacp is down")), len(relay.events("lacp is up")) - PFS
    lines = len(relay.events(since=relay.events("lacp is down")[0]["at"]))
    # A flap is two changes of LACP and two of each VF.
    return Figures(
        done, 2 * done - downs - ups, lines, done * (2 + 2 * VFS), after[0] - before[0], after[1] - before[1]
    )


def flap(lab: Lab, pfs: list[Pf]) -> None:
    """Silence the switch for all PFs until their VFs are disabled, then let it send until they are back."""
    for pf in pfs:
        pf.cable.block_lacp("to_host")
    for pf in pfs:
        lab.wait_until(partial(pf.in_state, "disable"), within=6, what="VFs disabled", poll=0.1)
    for pf in pfs:
        pf.cable.unblock_lacp("to_host")
    for pf in pfs:
        lab.wait_until(partial(pf.in_state, "auto"), within=60, what="VFs back in auto", poll=0.1)


def usage(relay: Relay) -> tuple[int, int]:
    """Return the resident memory in KiB, and the number of open descriptors."""
    lines = Path(f"/proc/{relay.pid}/status").read_text().splitlines()
    (resident,) = (int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return resident, len(os.listdir(f"/proc/{relay.pid}/fd"))


def main() -> None:
    """Run the flaps in a guest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", nargs="?", type=int, default=10_000)
    number = parser.parse_args().number
    if os.environ.get(scenario.INSIDE):
        lab = Lab()
        try:
            print(play(lab, number))
        finally:
            lab.close()
        return
    with run_inside("tests.lab.kit.flaps", str(number), timeout=120 + number * HOST_S_PER_FLAP) as result:
        print(result.output, end="")


if __name__ == "__main__":
    main()
