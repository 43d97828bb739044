"""A command of the lab, `python -m MODULE`, that runs itself again in a guest, with scenario.INSIDE set."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.guest import guest, kernel, scenario


@contextmanager
def run_inside(
    module: str,
    *arguments: str,
    timeout: float,
    virtual_time: bool = True,
    systemd: bool = False,
    network_manager: bool = False,
) -> Iterator[guest.Result]:
    """Run a module in a guest, and provide what it printed and left. Its folder is removed afterwards.

    `timeout` is in the host's seconds; `guest.run` explains the rest. If the module fails, or no guest can
    run here, exit with a line on standard error that says why; the folder of a failed module is kept.
    """
    reason = scenario.unavailable()
    if reason is not None:
        sys.exit(f"{module}: the lab cannot run here: {reason}")
    folder = guest.results_folder()
    result = guest.run(
        [guest.python(), "-m", module, *arguments],
        kernel=kernel.kernel(),
        folder=folder,
        virtual_time=virtual_time,
        systemd=systemd,
        network_manager=network_manager,
        timeout=timeout,
        environment={scenario.INSIDE: "1"},
    )
    if result.status:
        sys.exit(f"{module}: it failed in the guest, which left {folder}:\n{result.output}")
    yield result
    shutil.rmtree(folder)
