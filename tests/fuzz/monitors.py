"""PFLACPMonitors: YAML → MachineConfigs, a configuration file, or Unusable."""

from __future__ import annotations

from typing import Callable

import yaml

from pf_status_relay.openshift import render
from tests.fuzz import configuration, files, lines


def check(data: bytes) -> None:
    """Make the resources for nodes and the file for one host: valid YAML, and a valid configuration."""
    with files.holding(data) as path:
        resources = made(render.for_monitors, path)
        file = made(render.for_host, path)
    if resources is not None:
        for resource in yaml.safe_load_all(resources):
            assert resource["kind"] in ("MachineConfig", "MachineConfigPool")
    if file is not None:
        configuration.take(file.encode())


def made(make: Callable[[list[str], list[str]], str], path: str) -> str | None:
    """Return what `make` makes of the file, None if the file cannot be used."""
    warnings: list[str] = []
    try:
        return make([path], warnings)
    except render.Unusable as error:
        lines.check_faults(error.faults)
        return None
    finally:
        lines.check(warnings)
