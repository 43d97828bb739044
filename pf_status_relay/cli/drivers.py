"""What is known about drivers, a line each, from the source of Linux 6.12; docs/drivers.md has more. Pure."""

from __future__ import annotations

from pf_status_relay.cli.findings import Finding, Verdict
from pf_status_relay.kernel.driver import Driver

WORKS = {
    "i40e": "resets a VF that it sets to auto, which takes 0.06 to 0.26 s",
    "ice": "sets VF link states at once; leaves VFs out of the list while they reset",
    "ixgbe": "sets auto and disable at once, and bounces the VF's link each time",
    "mlx5_core": "sets VF link states by its firmware, but only in eswitch mode legacy",
    "mlx4_core": "sets VF link states by its firmware",
    "bnxt_en": "sets VF link states by its firmware, and shows a state that the firmware refused",
    "bnx2x": "sets VF link states at once, and lists no VFs while the PF is down",
    "be2net": "sets VF link states by its firmware, which can take up to 12 s",
    "qede": "sets VF link states at once, and the VF sees them a little later",
    "nfp": "sets VF link states by its firmware, in up to 5 s, and shows a state that the firmware refused",
    "hinic": "sets VF link states at once; new VFs can begin in disable",
    "ionic": "sets VF link states by its firmware, which can take up to 5 s",
    "hns3": "sets VF link states at once; new VFs begin with the states of earlier ones",
    "sfc": "sets VF link states by its firmware, in up to 10 s, and asks it for each VF that it lists",
    "liquidio": "sets VF link states by its firmware, which can take a long time",
    "netdevsim": "is a simulation, not a NIC",
}
"""Drivers that set VF link states."""

NEVER = ("ena", "enetc", "enic", "fm10k", "funeth", "idpf", "igb", "octeon_ep", "qlcnic", "rvu_nicpf")
"""Drivers that set none."""


def of_driver(interface: str, driver: Driver) -> Finding:
    """Return the finding about a PF's driver."""
    parts = [f"driver {driver.name}"]
    parts += [f"firmware {driver.firmware}"] if driver.firmware else []
    parts += [f"eswitch mode {driver.mode}"] if driver.mode else []
    told = ", ".join(parts)
    if driver.name in NEVER:
        fix = f"use another NIC, see docs/drivers.md; or try this one: check --probe {interface}:0"
        return Finding(interface, Verdict.WARNING, f"{told}: in Linux 6.12 it sets no VF link states", fix)
    if driver.name == "mlx5_core" and driver.mode == "switchdev":
        found = f"{told}: in this mode it sets no VF link states, and reads all as disable"
        return Finding(interface, Verdict.WARNING, found, "use eswitch mode legacy: devlink-dev(8)")
    known = WORKS.get(driver.name, "nothing is known of it; docs/drivers.md says how to try it")
    return Finding(interface, Verdict.PASSED, f"{told}: {known}")
