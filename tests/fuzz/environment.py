"""The environment: bytes → what the variables say, or ConfigError.

The input is the values of the variables, in the order of NAMES, with a zero byte between two.
"""

from __future__ import annotations

import math
import os

from pf_status_relay import config, configtext, log
from pf_status_relay.config import ConfigError
from pf_status_relay.notify import Notifier
from pf_status_relay.serviceevents import InterfacesToMonitor
from tests.fuzz import configuration, lines

NAMES = (
    config.INTERFACES_VARIABLE,
    config.INTERVAL_VARIABLE,
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "JOURNAL_STREAM",
)


def check(data: bytes) -> None:
    """Take the variables as the program does; what it shows of valid ones can be shown."""
    environment = {
        name: value
        for name, value in zip(NAMES, map(os.fsdecode, data.split(b"\0")))
        if value or name == config.INTERFACES_VARIABLE
    }
    if environment.get("WATCHDOG_PID") == "own":
        environment["WATCHDOG_PID"] = str(os.getpid())
    watchdog_s = Notifier(environment).watchdog_s
    assert watchdog_s is None or (watchdog_s > 0 and math.isfinite(watchdog_s))
    log.leads_to_journal(environment)
    try:
        loaded = config.from_environment(environment)
    except ConfigError as error:
        lines.check_faults(error.faults)
        return
    assert configuration.load(configtext.toml(loaded).encode()) == loaded
    for field, value in log.journal_fields(InterfacesToMonitor(loaded.interfaces)).items():
        assert field
        assert b"\0" not in value.encode()
