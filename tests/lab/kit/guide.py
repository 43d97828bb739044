"""A node that follows docs/guide.md: it runs the guide's `sh` blocks as they stand, in order.

`python -m tests.lab.kit.guide` follows the guide in a guest and renews the outputs that the guide shows.

SIMULATED: the PFs and VFs are netdevsim's, and a veth pair stands for each VF of the pod (pod.py).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.lab.guest import scenario
from tests.lab.guest.command import run_inside
from tests.lab.guest.guest import CHECKOUT
from tests.lab.kit.commands import ip, write
from tests.lab.kit.driver import DEBUG
from tests.lab.kit.lab import RESULTS, Lab
from tests.lab.kit.network_manager import NetworkManager
from tests.lab.kit.pod import Nic
from tests.lab.kit.topology import Pf

PAGE = CHECKOUT / "docs" / "guide.md"
FILES = CHECKOUT / "contrib" / "examples" / "guide"
VFS = 8
ADDRESSES = {"ens5f0": "0000:3b:00.0", "ens5f1": "0000:3b:00.1"}
"""The PFs' PCI addresses in the guide. netdevsim's PFs have none: udev's rule gets their devices' names."""
POD, LOSS, RECOVERY, MAINTENANCE, END = (
    "A network namespace takes the place of a pod",
    "Then take LACP away on the port of switch A",
    "Give LACP back.",
    "When the switch is back",
    "Stop the relay.",
)
"""Sentences of the guide that ask for something that is no command, before the next block."""


class Block(NamedTuple):
    """A fenced block of a page: the prose before it, its language, its text, and where that begins."""

    before: str
    language: str
    text: str
    start: int


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order."""
    end = 0
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        yield Block(page[end : found.start()], found[1], found[2], found.start(2))
        end = found.end()


class Node:
    """A node with two PFs, each cabled to a switch, and NetworkManager. It has no VFs, no bonds, no relay."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._folder = RESULTS / "guide"
        shutil.copytree(FILES, self._folder)
        manager = NetworkManager()
        self.pfs = [self._pf(name, address) for name, address in ADDRESSES.items()]
        manager.start()

    def _pf(self, name: str, address: str) -> Pf:
        pf = self._lab.pf(name, vfs=0)
        self._lab.cable(pf, self._lab.switch(f"switch-{name}"))
        device = Path(f"/sys/class/net/{name}/device").resolve().name
        write(f"{DEBUG}/{device}/max_vfs", str(VFS))
        rules = self._folder / "90-sriov-vfs.rules"
        rules.write_text(rules.read_text().replace(address, device))
        return pf

    def follow(self, page: str) -> str:
        """Run the `sh` blocks of the page; return the page with the outputs that they had.

        A block without an output below it has to succeed.
        """
        turns: dict[str, Callable[[], object]] = {
            POD: self._lay_data_paths,
            LOSS: self._loss,
            RECOVERY: self._recovery,
            MAINTENANCE: self._maintenance,
            END: self._end,
        }
        found = list(blocks(page))
        outputs = {}
        for block, following in zip(found, [*found[1:], None]):
            for words in [words for words in turns if words in block.before]:
                turns.pop(words)()
            if block.language == "sh":
                shown = following if following and following.language == "text" else None
                output = self._run(block.text, may_fail=shown is not None)
                if shown:
                    outputs[shown] = output
        assert not turns, f"the guide no longer says: {list(turns)}"
        for shown, output in reversed(outputs.items()):
            page = page[: shown.start] + output + page[shown.start + len(shown.text) :]
        return page

    def _run(self, script: str, *, may_fail: bool) -> str:
        done = subprocess.run(
            ["sh", "-eu"], input=script, cwd=self._folder, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert may_fail or done.returncode == 0, f"{script}status {done.returncode}\n{done.stdout}"
        return done.stdout

    def _lay_data_paths(self) -> None:
        """Make what stands for VF 0 of each PF: a veth pair to the switch, which the NIC gives carrier."""
        followed = []
        for number, pf in enumerate(self.pfs):
            ip(f"link add name {pf.name}v0 type veth peer name vf{number} netns {pf.switch.name}")
            followed.append((pf, 0, pf.switch.name, f"vf{number}"))
        self._nic = Nic(followed)

    def _loss(self) -> None:
        self._lab.sleep(30)
        self.pfs[0].cable.block_lacp()
        self.pfs[0].wait_for_vfs("disable")
        self._lab.sleep(30)

    def _recovery(self) -> None:
        self.pfs[0].cable.unblock_lacp()
        self.pfs[0].wait_for_vfs("auto")
        self._lab.sleep(30)

    def _maintenance(self) -> None:
        self.pfs[0].cable.block_lacp()
        self._lab.sleep(120)
        self.pfs[0].cable.unblock_lacp()
        self.pfs[0].wait_for_lacp()
        self._lab.sleep(30)

    def _end(self) -> None:
        self._nic.stop()  # The pod's end takes the veth pairs away.


def without_times(page: str) -> str:
    """Return a page whose dates, times, durations and widths of columns are the same in each run."""
    page = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\dZ?", "TIME", page)
    return re.sub(" {2,}|-{2,}", " ", re.sub(r"\d+ min(?: \d+ s)?|\d+(?:\.\d+)? m?s\b", "DURATION", page))


def main() -> None:
    """Follow the guide in a guest and write its outputs again."""
    if os.environ.get(scenario.INSIDE):
        lab = Lab()
        (RESULTS / PAGE.name).write_text(Node(lab).follow(PAGE.read_text()))
        lab.close()
        return
    with run_inside("tests.lab.kit.guide", timeout=600, systemd=True, network_manager=True) as result:
        shutil.copyfile(result.folder / PAGE.name, PAGE)


if __name__ == "__main__":
    main()
