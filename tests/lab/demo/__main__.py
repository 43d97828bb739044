"""`make demo`: the service saves a pod from a dead switch, in real time, on a real kernel, under systemd.

On the host this boots a guest and shows what the story prints; in the guest it is the story.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from tests.lab.demo import timeline
from tests.lab.guest import guest, kernel, scenario
from tests.lab.kit import package
from tests.lab.kit.lab import RESULTS, Lab
from tests.lab.kit.pod import Pod, PodRecorder
from tests.lab.kit.recorder import Recorder, Sample
from tests.lab.kit.topology import Pf

VFS = 8
SAMPLE_S = 0.005
PING_S = 0.1
PICTURE = Path("build/demo/timeline.svg")
"""Where in the checkout the picture of the last run is."""
COLOUR = "PF_STATUS_RELAY_DEMO_COLOUR"
TIMEOUT_S = 180.0


def main() -> int:
    """Run the demo; return an exit status."""
    if os.environ.get(scenario.INSIDE):
        Story(os.environ.get(COLOUR) == "yes").tell()
        return 0
    reason = scenario.unavailable()
    if reason is not None:
        print(f"demo: the lab cannot run here: {reason}", file=sys.stderr)
        return 1
    try:
        package.make(guest.CHECKOUT)
    except package.PackageError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print("Booting a Linux kernel as a process of this machine (User-Mode Linux), with systemd as PID 1 ...")
    folder = guest.results_folder()
    output = folder / "output"
    done = threading.Event()
    displayed = threading.Thread(target=show, args=(output, done))
    displayed.start()
    try:
        result = guest.run(
            [guest.python(), "-u", "-m", "tests.lab.demo"],
            kernel=kernel.kernel(),
            folder=folder,
            virtual_time=False,
            systemd=True,
            install=False,
            timeout=TIMEOUT_S,
            environment={scenario.INSIDE: "1", COLOUR: "yes" if sys.stdout.isatty() else "no"},
        )
    except guest.GuestError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    finally:
        done.set()
        displayed.join()
    if result.status:
        print(f"demo: it failed; what the guest left is in {folder}", file=sys.stderr)
    else:
        (guest.CHECKOUT / PICTURE).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / PICTURE.name, guest.CHECKOUT / PICTURE)
        shutil.rmtree(folder)
        print(f"   The run as a picture: {PICTURE}")
    return result.status


def show(path: Path, done: threading.Event) -> None:
    """Print what is written to a file, once it is there and as it is written."""
    while not path.exists() and not done.is_set():
        time.sleep(0.05)
    if not path.exists():
        return
    with path.open(errors="replace") as file:
        while True:
            ended = done.is_set()
            text = file.read()
            if text:
                print(text, end="", flush=True)
            elif ended:
                return
            else:
                time.sleep(0.05)


class Story:
    """Two PFs on two switches, a pod over both, and one switch that dies."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour
        self._lab = Lab()
        self._lab.recorder = Recorder(interval=SAMPLE_S)

    def tell(self) -> None:
        """Set up, disturb, recover, and print in figures how it went."""
        lab = self._lab
        self._title("The host: two PFs, each the one port of an 802.3ad bond, each on a switch of its own")
        first, second = (lab.pf_with_lacp(name, vfs=VFS, wait=False) for name in ("ens5f0", "ens5f1"))
        for pf in (first, second):
            pf.wait_for_lacp()
        self._pfs(first, second)

        self._title("The service: installed from its RPM, with the configuration as shipped")
        self._say(f"# rpm --install {package.current().name}")
        package.install(package.current())
        self._say("# systemctl enable --now pf-status-relay")
        lab.systemctl("enable", "--now", "pf-status-relay")
        self._status()

        self._title(
            "The pod: an active-backup bond over VF 0 of each PF, pinging the network ten times a second"
        )
        self._say(
            "SIMULATED: the VFs' data path. netdevsim's VFs carry no traffic, so a veth pair stands for each"
        )
        self._say(
            "VF, with carrier as the NIC would give it: auto: the PF's, enable: up, disable: down. The PFs,"
        )
        self._say("VF link states, LACP and both kinds of bond are the Linux kernel's own.")
        pod = Pod(first, second)
        lab.wait_until(lambda: pod.active_port() == "net1", within=10, what="the pod on net1")
        ping = pod.ping(RESULTS / "ping", interval=PING_S)
        self._bonding(pod)

        recorder = lab.record(first, second)
        pod_recorder = PodRecorder(ping, SAMPLE_S)
        started = lab.now
        lab.sleep(1)
        self._title(
            "The switch behind ens5f0 dies: no LACPDU, no frame comes through, but the carrier stays up"
        )
        follow = self._follow_journal()
        pod.silence(first)
        silenced = lab.now
        self._say(
            f"switch sw0 is silent; carrier of ens5f0: {'up' if first.carrier() else 'down'}. The journal:"
        )
        lab.wait_until(
            lambda: pod_recorder.ports[-1][1] == "net2", within=20, what="the pod on its other port"
        )
        lab.sleep(0.5)
        self._pfs(first, second)
        self._status()
        self._bonding(pod)

        self._title("The switch comes back")
        revived = lab.now
        pod.revive(first)
        lab.wait_until(lambda: set(first.vf_states()) == {"auto"}, within=60, what="VFs back in auto")
        lab.sleep(1)
        self._pfs(first, second)
        self._status()
        self._bonding(pod)
        follow.terminate()
        follow.wait()
        pod_recorder.stop()
        ended = lab.now
        sent, lost = ping.stop()
        recorder.stop()
        lab.systemctl("stop", "pf-status-relay")

        down = recorder.first(first, lambda sample: not sample.lacp_up(), since=silenced)
        up = recorder.first(first, Sample.lacp_up, since=revived)
        failed_over = pod_recorder.failed_over("net2", since=silenced)
        self._table(
            [
                ("LACP silenced -> port state down (the kernel's LACP timeout)", seconds(down - silenced)),
                ("port state down -> last VF disabled (the service)", self._took(first, "disable", down)),
                ("LACP silenced -> pod on its other port", seconds(failed_over - silenced)),
                ("port state up -> last VF back in auto (the service)", self._took(first, "auto", up)),
                ("pings lost, of those sent", f"{lost} of {sent}, one each {PING_S * 1000:.0f} ms"),
            ]
        )
        self._say("Times are this machine's, with a kernel that runs as a process: they show the order of")
        self._say("things, and are no benchmark.")
        run = timeline.Run(
            started=started,
            ended=ended,
            pfs=recorder.timelines,
            ports=pod_recorder.ports,
            pings=pod_recorder.pings(),
            failed=first.name,
            silenced=silenced,
            down=down,
            disabled=self._all(first, "disable", down),
            failed_over=failed_over,
            revived=revived,
            restored=self._all(first, "auto", up),
        )
        (RESULTS / PICTURE.name).write_text(timeline.draw(run))
        lab.close()

    def _all(self, pf: Pf, state: str, since: float) -> float:
        """Return when all VFs were in a state, as the recorder saw it."""
        return self._lab.recorder.first(pf, lambda sample: set(sample.vf_states) == {state}, since=since)

    def _took(self, pf: Pf, state: str, since: float) -> str:
        """Return how long after `since` the last VF was in a state, as far as the recorder can tell."""
        took = self._all(pf, state, since) - since
        return f"at most {(took + self._lab.recorder.uncertainty(since)) * 1000:.0f} ms"

    def _title(self, text: str) -> None:
        print(f"\n\033[1m== {text}\033[0m" if self._colour else f"\n== {text}")

    def _say(self, text: str) -> None:
        print(f"   {text}")

    def _pfs(self, *pfs: Pf) -> None:
        for pf in pfs:
            link = pf.link(vfs=True)
            actor, partner = link.port_state or (0, 0)
            states = ", ".join(
                f"{link.vf_states.count(state)} VFs {state}" for state in sorted(set(link.vf_states))
            )
            self._say(
                f"{pf.name}  carrier {'up' if link.carrier else 'down'}"
                f"  actor/partner port state {actor}/{partner}  {states}"
            )

    def _status(self) -> None:
        self._say(f'systemctl status: {self._lab.show("ActiveState")}, "{self._lab.show("StatusText")}"')

    def _bonding(self, pod: Pod) -> None:
        self._say("the pod's /proc/net/bonding/bond0:")
        wanted = ("Currently Active Slave", "Slave Interface", "MII Status")
        for line in pod.bonding().splitlines():
            if line.startswith(wanted):
                self._say(f"   {line}")

    def _follow_journal(self) -> subprocess.Popen[str]:
        """Show the service's journal as it happens."""
        command = (
            "journalctl",
            "-f",
            "-n",
            "0",
            "-u",
            "pf-status-relay",
            "-o",
            "short-precise",
            "--no-hostname",
        )
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        threading.Thread(target=self._relay_lines, args=(process.stdout,), daemon=True).start()
        return process

    def _relay_lines(self, lines: TextIO) -> None:
        for line in lines:
            self._say(f"  | {line.rstrip()}")

    def _table(self, rows: Sequence[tuple[str, str]]) -> None:
        self._title("In figures")
        width = max(len(what) for what, _ in rows)
        for what, figure in rows:
            self._say(f"{what:<{width}}  {figure}")


def seconds(value: float) -> str:
    """Return a time for a person, in seconds."""
    return f"{value:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
