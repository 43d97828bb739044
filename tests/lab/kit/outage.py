"""How long a pod is cut off by a switch that falls silent: without and with early detection, and with BFD.

`python -m tests.lab.kit.outage [--real-time] [SETTING…]` measures it: each setting in a guest of its own,
OUTAGES times, each time at another moment between two LACPDUs. In virtual time, computing takes no time.
"""

from __future__ import annotations

import argparse
import os
import statistics

from tests.lab.guest import scenario
from tests.lab.guest.command import run_inside
from tests.lab.kit.frr import SOCKET
from tests.lab.kit.lab import RESULTS, Lab
from tests.lab.kit.pod import Pod
from tests.lab.kit.waiting import wait_until

NAMES = ("ens5f0", "ens5f1")
CONFIGURATION = 'interfaces = ["ens5f0", "ens5f1"]\nredundancy_groups = [["ens5f0", "ens5f1"]]\n'
SETTINGS = {
    "LACP alone": "",
    "early_detection_ms = 2500": "early_detection_ms = 2500\n",
    "early_detection_ms = 1500": "early_detection_ms = 1500\n",
    "bfd_socket, 50 ms x 3": f'bfd_socket = "{SOCKET}"\n',
}
OUTAGES = 12
PING_S = 0.01
VFS = 4
RESOLUTION_S = 0.005


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.kit.outage", description=__doc__)
    parser.add_argument("--real-time", action="store_true", help="let the guest's clock be the host's")
    parser.add_argument("setting", nargs="*", help="which of them, by a part of the name; default: all")
    arguments = parser.parse_args()
    if os.environ.get(scenario.INSIDE):
        measure(arguments.setting[0])
        return
    clock = "real" if arguments.real_time else "virtual"
    print(f"Seconds after a switch has fallen silent, {OUTAGES} times, {clock} time, pod's miimon 100 ms,")
    print(f"pings {PING_S * 1000:g} ms apart: median, least and most")
    print("| Setting | last VF disabled | no answer to the pod's pings | pings lost |")
    print("| --- | --- | --- | --- |")
    for setting in SETTINGS:
        if arguments.setting and not any(part in setting for part in arguments.setting):
            continue
        virtual_time = not arguments.real_time
        with run_inside("tests.lab.kit.outage", setting, timeout=1200, virtual_time=virtual_time) as result:
            output = result.output
        columns = zip(*(map(float, line.split()) for line in output.splitlines()))
        disabled, unanswered, lost = (sorted(column) for column in columns)
        cells = [
            f"{statistics.median(each):.2f} ({each[0]:.2f}-{each[-1]:.2f})" for each in (disabled, unanswered)
        ]
        cells.append(f"{statistics.median(lost):.0f} ({lost[0]:.0f}-{lost[-1]:.0f})")
        print(f"| {setting} | {' | '.join(cells)} |", flush=True)


def measure(setting: str) -> None:
    """Print the numbers of the table's columns for each outage. Runs in the guest."""
    lab = Lab()
    pfs = [lab.pf_with_lacp(name, VFS, wait=False) for name in NAMES]
    for pf in pfs:
        pf.wait_for_lacp()
    sessions = [lab.bfd(pf) for pf in pfs] if "bfd" in setting else []
    relay = lab.relay(config_text=CONFIGURATION + SETTINGS[setting])
    for pf in pfs:
        relay.wait_for("bfd session is up" if sessions else "lacp is up", interface=pf.name)
    pod = Pod(pfs[0], pfs[1])
    ports = dict(zip(("net1", "net2"), pfs))
    for number in range(OUTAGES):
        lab.sleep(3 + number / OUTAGES)
        before = pod.active_port() or "net1"
        pf = ports[before]
        ping = pod.ping(RESULTS / "ping", interval=PING_S)
        lab.sleep(0.5)
        silenced = lab.now
        pod.silence(pf)
        wait_until(lambda pf=pf: pf.in_state("disable"), within=10, what="VFs disabled", poll=RESOLUTION_S)  # type: ignore[misc]
        disabled = lab.now - silenced

        def failed_over(before: str = before) -> bool:
            return pod.active_port() != before

        wait_until(failed_over, within=10, what="the pod on its other port", poll=RESOLUTION_S)
        lab.sleep(0.5)
        _, lost = ping.stop()
        print(f"{disabled:.3f} {ping.longest_silence():.3f} {lost}", flush=True)
        pod.revive(pf)
        pf.wait_for_lacp()
        wait_until(lambda pf=pf: pf.in_state("auto"), within=30, what="VFs back in auto")  # type: ignore[misc]
        for session in sessions:
            session.wait_until_up()
    lab.close()


if __name__ == "__main__":
    main()
