"""The environment: bytes → the values of the variables, or ConfigError.

The input is the raw values, in the order of NAMES, with a zero byte between two.
"""

from __future__ import annotations

import math
import os

from pf_status_relay.config import load, render
from pf_status_relay.config.load import ConfigError
from pf_status_relay.core.events import InterfacesToMonitor
from pf_status_relay.log import output
from pf_status_relay.service.systemd import Notifier
from tests.fuzz import configuration, lines

NAMES = (
    load.INTERFACES_VARIABLE,
    load.INTERVAL_VARIABLE,
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "JOURNAL_STREAM",
)


def check(data: bytes) -> None:
    """Read the variables as the program does; its messages and log fields must be printable."""
    environment = {
        name: value
        for name, value in zip(NAMES, map(os.fsdecode, data.split(b"\0")))
        if value or name == load.INTERFACES_VARIABLE
    }
    if environment.get("WATCHDOG_PID") == "own":
        environment["WATCHDOG_PID"] = str(os.getpid())
    watchdog_s = Notifier(environment).watchdog_s
    assert watchdog_s is None or (watchdog_s > 0 and math.isfinite(watchdog_s))
    output.leads_to_journal(environment)
    try:
        loaded = load.from_environment(environment)
    except ConfigError as error:
        lines.check_faults(error.faults)
        return
    lines.check(loaded.warnings)
    assert configuration.take(render.toml(loaded).encode()) == loaded
    for field, value in output.journal_fields(InterfacesToMonitor(loaded.interfaces)).items():
        assert field
        assert b"\0" not in value.encode()
