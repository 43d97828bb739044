"""A switch's maintenance, as the pod behind it sees it: with a drain, and beside it without.

`python -m tests.lab.kit.maintenance docs/drain.svg` plays both in virtual time, each in a guest of its own,
and draws them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab.guest import scenario
from tests.lab.guest.command import run_inside
from tests.lab.kit.drawing import document
from tests.lab.kit.lab import RESULTS, Lab
from tests.lab.kit.pod import Pod, PodRecorder, Sent
from tests.lab.kit.topology import Pf

PING_S = 0.010
RELOAD_S = 300.0
WAYS = ("with a drain", "without")
FOUND = "found.json"

_LEFT, _RIGHT = 130, 930
_LANE = 64


def cut_off(pings: Sequence[Sent], since: float, until: float) -> float:
    """Return for how many seconds between two times pings were not answered.

    ping sends at the ticks of the guest's clock: every 20 ms, not 10.
    """
    sent = [ping for ping in pings if since <= ping.time < until]
    assert len(sent) > 10
    return sum(later.time - ping.time for ping, later in zip(sent, sent[1:]) if not ping.answered)


class Pinging:
    """A pod on two PFs that pings all the time, and the reload of a switch."""

    def __init__(self, lab: Lab, first: Pf, second: Pf) -> None:
        self._lab = lab
        self.pod = Pod(first, second)
        lab.wait_until(lambda: self.pod.active_port() == "net1", within=5, what="net1 active")
        self._ping = self.pod.ping(RESULTS / "ping", interval=PING_S)
        self._recorder = PodRecorder(self._ping, interval=PING_S)
        lab.sleep(1)

    def reload(self, pf: Pf) -> None:
        """Reload the switch: silent for RELOAD_S with its carrier up, then LACP comes up again."""
        self.pod.silence(pf)
        self._lab.sleep(RELOAD_S)
        self.pod.revive(pf)
        pf.wait_for_lacp()
        self._lab.sleep(1)

    def stop(self) -> list[Sent]:
        """End the pings and return them."""
        self._recorder.stop()
        self._ping.stop()
        return self._recorder.pings()


def two_pfs(lab: Lab, vfs: int = 2) -> tuple[Pf, Pf]:
    """Return two PFs at two switches, and the service that relays for them."""
    first, second = (lab.pf_with_lacp(name, vfs, wait=False) for name in ("ens5f0", "ens5f1"))
    first.wait_for_lacp()
    second.wait_for_lacp()
    lab.start_service("ens5f0", "ens5f1")
    return first, second


def main() -> None:
    """Play both and draw them."""
    if os.environ.get(scenario.INSIDE):
        play(sys.argv[1])
        return
    found = {}
    for way in WAYS:
        print(f"A switch is reloaded, {way} ...", flush=True)
        with run_inside("tests.lab.kit.maintenance", way, timeout=600, systemd=True) as result:
            found[way] = json.loads((result.folder / FOUND).read_text())
    Path(sys.argv[1]).write_text(svg(found))


def play(way: str) -> None:
    """Leave the moments, in seconds from the first, and when pings were lost. Runs in the guest."""
    lab = Lab()
    first, second = two_pfs(lab)
    pinging = Pinging(lab, first, second)
    drained = way == WAYS[0]
    moments = [("drain" if drained else "", lab.now)]
    if drained:
        lab.call("drain", "ens5f0", "--reason", "switch A: firmware")
    lab.sleep(5)
    moments.append(("the switch goes", lab.now))
    pinging.reload(first)
    moments.append(("undrain" if drained else "LACP is up", lab.now))
    if drained:
        lab.call("undrain", "ens5f0")
    lab.sleep(5)
    ended, pings = lab.now, pinging.stop()
    begun = moments[0][1]
    lost: list[list[float]] = []
    for ping, later in zip(pings, pings[1:]):
        if not ping.answered and ping.time >= begun:
            if not lost or lost[-1][1] != ping.time - begun:
                lost.append([ping.time - begun, 0.0])
            lost[-1][1] = later.time - begun
    named = [(name, time - begun) for name, time in moments if name]
    (RESULTS / FOUND).write_text(json.dumps({"moments": named, "lost": lost, "ended": ended - begun}))
    lab.close()


def svg(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the picture: a lane for each way, and in it what the pod lost."""
    height = 60 + _LANE * len(found) + 40
    title = "What a pod loses when its switch is reloaded for five minutes"
    parts = [f'<text x="16" y="28">{title}: pings every 20 ms</text>']
    for number, (way, run) in enumerate(found.items()):
        parts += lane(way, run, 60 + _LANE * number)
    parts.append(
        f'<text class="faint" x="16" y="{height - 14}">Simulated: NICs, VFs and switches, in virtual time. '
        "Real: the kernel's bonding and LACP, the service under systemd.</text>"
    )
    return document(height, title, parts)


def lane(way: str, run: Mapping[str, Any], top: int) -> Iterator[str]:
    """Draw one lane: what was done, and what the pod lost. Each mark is at least 2 pixels wide."""
    scale = (_RIGHT - _LEFT) / run["ended"]
    yield f'<text x="16" y="{top + 15}">{way}</text>'
    yield f'<rect class="good" x="{_LEFT}" y="{top}" width="{_RIGHT - _LEFT}" height="22"/>'
    total = sum(end - begin for begin, end in run["lost"])
    after = _LEFT + run["moments"][0][1] * scale
    for begin, end in run["lost"]:
        x, width = round(_LEFT + begin * scale, 1), max(2.0, round((end - begin) * scale, 1))
        yield f'<rect class="lost" x="{x}" y="{top}" width="{width}" height="22"/>'
        after = x + width
    yield f'<text x="{after + 12:.1f}" y="{top + 15}">{total:.2f} s lost</text>'
    for row, (name, seconds) in enumerate(run["moments"]):
        late = seconds > run["ended"] / 2
        anchor = ' text-anchor="end"' if late else ""
        line = top + (38 if late or not row else 52)
        yield f'<text class="faint"{anchor} x="{_LEFT + seconds * scale:.1f}" y="{line}">{name}</text>'


if __name__ == "__main__":
    main()
