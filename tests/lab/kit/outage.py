"""How long a pod is cut off by a switch that falls silent, without and with early detection.

`python -m tests.lab.kit.outage` measures it in virtual time: each setting in a guest of its own, OUTAGES
times, each time at another moment between two LACPDUs.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys

from tests.lab.guest import guest, kernel, scenario
from tests.lab.kit.lab import Lab
from tests.lab.kit.pod import Pod
from tests.lab.kit.waiting import wait_until

SETTINGS = ("off", "2500", "1500")
OUTAGES = 10
RESOLUTION_S = 0.02


def main() -> int:
    """Print a table; return an exit status."""
    if os.environ.get(scenario.INSIDE):
        measure(sys.argv[1])
        return 0
    print(
        f"Pod outage in seconds, {OUTAGES} outages each, pod's miimon 100 ms, virtual time, read every 20 ms"
    )
    print("| early_detection_ms | median | shortest | longest |\n| --- | --- | --- | --- |")
    for setting in SETTINGS:
        folder = guest.results_folder()
        result = guest.run(
            [guest.python(), "-m", "tests.lab.kit.outage", setting],
            kernel=kernel.kernel(),
            folder=folder,
            timeout=600,
            environment={scenario.INSIDE: "1"},
        )
        if result.status:
            print(f"failed, see {folder}:\n{result.output}", file=sys.stderr)
            return result.status
        outages = [float(line) for line in result.output.split()]
        median = statistics.median(outages)
        print(f"| {setting} | {median:.2f} | {min(outages):.2f} | {max(outages):.2f} |", flush=True)
        shutil.rmtree(folder)
    return 0


def measure(setting: str) -> None:
    """In the guest: print the outages, one a line."""
    lab = Lab()
    first, second = lab.pf_with_lacp("ens5f0", wait=False), lab.pf_with_lacp("ens5f1", wait=False)
    for pf in (first, second):
        pf.wait_for_lacp()
    option = "" if setting == "off" else f"early_detection_ms = {setting}\n"
    relay = lab.relay(config_text=f'interfaces = ["ens5f0", "ens5f1"]\n{option}')
    relay.wait_for("lacp is up", interface="ens5f1")
    pod = Pod(first, second)
    ports = {"net1": first, "net2": second}
    for number in range(OUTAGES):
        lab.sleep(3 + number / OUTAGES)
        before = pod.active_port() or "net1"
        pf = ports[before]
        silenced = lab.now
        pod.silence(pf)

        def failed_over(before: str = before) -> bool:
            return pod.active_port() != before

        wait_until(failed_over, within=10, what="the pod on its other port", poll=RESOLUTION_S)
        print(f"{lab.now - silenced:.3f}", flush=True)
        pod.revive(pf)
        pf.wait_for_lacp()
        wait_until(lambda pf=pf: pf.in_state("auto"), within=5, what="VFs back in auto")  # type: ignore[misc]
    lab.close()


if __name__ == "__main__":
    sys.exit(main())
