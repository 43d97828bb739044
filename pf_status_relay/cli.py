"""The command line: one function per command. The only room that prints for a person."""

from __future__ import annotations

import argparse
import faulthandler
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial

from pf_status_relay import config, lines, selection, streams
from pf_status_relay.event import Level
from pf_status_relay.link import Facts, PhysicalFunction
from pf_status_relay.lock import Lock
from pf_status_relay.log import LogFormat, open_log
from pf_status_relay.notify import Notifier
from pf_status_relay.parser import (
    EX_AT_ODDS,
    EX_CONFIG,
    EX_DATAERR,
    EX_INTERRUPTED,
    EX_IOERR,
    EX_NOPERM,
    EX_OK,
    EX_OSERR,
    EX_PIPE,
    EX_TEMPFAIL,
    EX_UNAVAILABLE,
    EX_USAGE,
    parser,
)
from pf_status_relay.rtnl import Rtnl
from pf_status_relay.service import Service

WATCH_S = 1.0
"""Seconds between two looks of `status --watch`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name, and return its exit status."""
    streams.open_closed()
    try:
        options = parser().parse_args(arguments)
        return _COMMANDS[options.command](options)
    except config.ConfigError as error:
        return _refused(error.faults, EX_CONFIG)
    except KeyboardInterrupt:
        return EX_INTERRUPTED
    except streams.ReaderGone:
        return EX_PIPE
    except streams.Unwritable as error:
        return _refused([f"standard output cannot be written: {error}"], EX_IOERR)
    finally:
        streams.settle()


def run(options: argparse.Namespace) -> int:
    """`pf-status-relay run`: relay until SIGTERM."""
    configuration = config.load(options.config, os.environ)
    alone = None if options.dry_run else Lock(os.environ)
    if alone and "NOTIFY_SOCKET" not in os.environ:  # under systemd the service waits
        holder = alone.take()
        if holder is not None:
            return _refused([f"another relay is running (process {holder}): stop that first"], EX_TEMPFAIL)
    # systemd's watchdog ends a hang with SIGABRT: let the log say where it was.
    with suppress(RuntimeError, OSError, ValueError):  # there may be no standard error to write to
        faulthandler.enable()
    reload = partial(config.load, options.config, os.environ)
    log_format, level = LogFormat(options.log_format), Level[options.log_level.upper()]
    with ExitStack() as running:
        try:
            log = running.enter_context(open_log(log_format, level, os.environ))
            service = Service(configuration, log, Notifier(os.environ), reload, options.dry_run, alone)
        except ImportError as error:
            who = "the journal needs systemd-python"
            if error.name == "prometheus_client":
                who = "metrics_textfile needs prometheus-client: install pf-status-relay[metrics]"
            return _refused([f"{who} ({error})"], EX_UNAVAILABLE)
        service.run()
    return EX_OK


def status(options: argparse.Namespace) -> int:
    """`pf-status-relay status`: show how the PFs are; the exit status is the worst of them."""
    from pf_status_relay import statefile
    from pf_status_relay.status import Report, as_json, report, text
    from pf_status_relay.terminal import Terminal

    configuration = config.load(options.config, os.environ)

    def look() -> Report:
        return report(_facts(configuration), statefile.read())

    terminal = Terminal(sys.stdout, os.environ)
    try:
        found = look()
        if not options.watch:
            return _print(as_json(found) if options.json else text(found, terminal), found.condition.value)
        # Whoever ends it gets the terminal back as it was.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt), terminal.screen():
            while True:
                shown = f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n\n{text(found, terminal)}"
                terminal.show(shown)
                terminal.wait(WATCH_S)
                found = look()
    except _NoNetlinkError as error:
        return _refused([str(error)], EX_OSERR)
    except OSError as error:
        raise streams.unwritten(error) from None
    return found.condition.value


def check(options: argparse.Namespace) -> int:
    """`pf-status-relay check`: say what the service needs and whether it has it."""
    from pf_status_relay import check as checks
    from pf_status_relay import host, rivals, sysfs, verdict
    from pf_status_relay.terminal import Terminal

    capable = host.has_net_admin()
    if options.probe and not capable:
        return _refused(["--probe needs CAP_NET_ADMIN: run it as root"], EX_NOPERM)
    judged: list[verdict.Line] = []
    facts: dict[str, Facts] = {}
    try:
        configuration = config.load(options.config, os.environ)
        facts = _facts(configuration)
        judged += checks.of_configuration([], list(facts))
    except config.ConfigError as error:
        judged += checks.of_configuration(error.faults, [])
    except _NoNetlinkError as error:
        judged.append(checks.netlink_failed(str(error)))
    probed: dict[str, str] = {}
    if options.probe and facts:
        try:
            probed = _probe(facts, *options.probe)
        except _NoSuchVfError as error:
            return _refused([f"--probe: {error}"], EX_USAGE)
    for name, each in facts.items():
        sriov = sysfs.is_pf(each.ifindex) if isinstance(each, PhysicalFunction) else None
        judged += checks.of_interface(name, each, sriov, probed.get(name))
    found = checks.Host(capable, host.unit_has_net_admin(), rivals.find(), not rivals.can_look())
    judged += checks.of_host(found)
    outlook = checks.outlook(judged, list(facts))
    if options.json:
        return _print(checks.as_json(judged, outlook), outlook.value)
    return _print(verdict.text(judged, Terminal(sys.stdout, os.environ)), outlook.value)


def machineconfig(options: argparse.Namespace) -> int:
    """`pf-status-relay machineconfig`: print what brings a configuration to a cluster's nodes."""
    if options.from_pflacpmonitor and options.role is not None:
        return _refused(["--role: not with --from-pflacpmonitor, whose selectors say the roles"], EX_USAGE)
    try:
        from pf_status_relay import fleet
    except ImportError as error:
        return _yaml_missing(error)
    try:
        if options.from_pflacpmonitor:
            text = fleet.for_monitors(options.from_pflacpmonitor)
        else:
            text = fleet.for_role(options.role or "worker", options.config, os.environ)
    except fleet.Unusable as error:
        return _refused(error.faults, EX_AT_ODDS if isinstance(error, fleet.AtOdds) else EX_DATAERR)
    return _print(text)


def config_show(options: argparse.Namespace) -> int:
    """`pf-status-relay config show`: print the configuration in effect, and where it is from."""
    from pf_status_relay.configtext import explained

    return _print(explained(config.load(options.config, os.environ)))


def config_import(options: argparse.Namespace) -> int:
    """`pf-status-relay config import`: print a configuration file made of another configuration."""
    if options.from_env:
        from pf_status_relay.configtext import toml

        try:
            return _print(toml(config.from_environment(os.environ)))
        except config.ConfigError as error:
            return _refused(error.faults, EX_DATAERR)
    try:
        from pf_status_relay import fleet
    except ImportError as error:
        return _yaml_missing(error)
    try:
        return _print(fleet.for_host(options.from_pflacpmonitor))
    except fleet.Unusable as error:
        return _refused(error.faults, EX_AT_ODDS if isinstance(error, fleet.AtOdds) else EX_DATAERR)


_COMMANDS = {
    "run": run,
    "status": status,
    "check": check,
    "machineconfig": machineconfig,
    "config show": config_show,
    "config import": config_import,
}


class _NoNetlinkError(Exception):
    """The kernel cannot be asked. The message is for a person."""


def _facts(configuration: config.Config) -> dict[str, Facts]:
    """Read the interfaces that are meant from the kernel, once. Raises _NoNetlinkError."""
    try:
        with closing(Rtnl()) as rtnl:
            return rtnl.read_all(selection.select(configuration.interfaces, rtnl))
    except selection.NotListed as error:
        raise _NoNetlinkError(f"the kernel does not list its interfaces: {error}") from None
    except OSError as error:
        raise _NoNetlinkError(f"the kernel cannot be asked by netlink: {lines.reason(error)}") from None


class _NoSuchVfError(Exception):
    """The VF to probe is not there. The message is for a person."""


def _probe(facts: Mapping[str, Facts], name: str, number: int) -> dict[str, str]:
    """Set one VF to the link state that it has; return, by its PF's name, why the driver refused (or "").

    Raises _NoSuchVfError.
    """
    pf = facts.get(name)
    if pf is None:
        raise _NoSuchVfError(f"{name} is not configured; configured: {', '.join(facts)}")
    if not isinstance(pf, PhysicalFunction):
        raise _NoSuchVfError(f"{name} cannot be read: {pf.error}")
    found = [vf for vf in pf.vfs if vf.id == number]
    if not found:
        listed = ", ".join(str(vf.id) for vf in pf.vfs) or "none"
        raise _NoSuchVfError(f"{name} has no VF {number}; its VFs: {listed}")
    try:
        with closing(Rtnl()) as rtnl:
            return {name: rtnl.set_vf_link_states(pf.ifindex, found).get(number, "")}
    except OSError as error:
        return {name: lines.reason(error)}


def _print(text: str, status: int = EX_OK) -> int:
    streams.put(text)
    return status


def _refused(faults: Sequence[str], status: int) -> int:
    for fault in faults:
        streams.say(f"pf-status-relay: {fault}")
    return status


def _yaml_missing(error: ImportError) -> int:
    if error.name != "yaml":
        raise error
    hint = "install pf-status-relay[openshift], or the distribution's python3-pyyaml"
    return _refused([f"YAML needs PyYAML ({error}); {hint}"], EX_UNAVAILABLE)
