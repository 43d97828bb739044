"""`pf-status-relay run`: relay until SIGTERM."""

from __future__ import annotations

import argparse
import faulthandler
import os
from contextlib import ExitStack, suppress
from functools import partial

from pf_status_relay.cli.exit_status import EX_CONFIG, EX_OK, EX_TEMPFAIL, EX_UNAVAILABLE, Refused
from pf_status_relay.cli.shared_arguments import ENVIRONMENT, Commands, Help, add_config
from pf_status_relay.config import load
from pf_status_relay.core.events import Level
from pf_status_relay.log.output import LogFormat, open_log
from pf_status_relay.service.lock import Lock
from pf_status_relay.service.loop import Service
from pf_status_relay.service.systemd import Notifier


def add(commands: Commands) -> None:
    """Add the command's arguments."""
    command = commands.add_parser(
        "run",
        help="relay until SIGTERM",
        description="Watch the LACP port state of each configured PF. Set its VFs from auto to disable "
        "while LACP is down, and from disable to auto while it is up. Never touch a VF in enable.",
        epilog=f"""{ENVIRONMENT}

Exit status:

  {EX_CONFIG}  the configuration is faulty
  {EX_UNAVAILABLE}  python3-systemd is missing for the journal, or prometheus-client for the metrics
  {EX_TEMPFAIL}  another relay runs, and systemd did not start this one

See what would be set, and set nothing:

  pf-status-relay run --dry-run""",
        formatter_class=Help,
    )
    add_config(command)
    command.add_argument(
        "--dry-run", action="store_true", help="log the VF link states that would be set, and set none"
    )
    command.add_argument(
        "--log-format",
        choices=[each.value for each in LogFormat],
        default=LogFormat.AUTO.value,
        help="native journal entries, or one JSON object a line on standard output (default: auto: the "
        "journal if standard output or standard error leads there, otherwise JSON)",
    )
    command.add_argument(
        "--log-level",
        choices=[each.name.lower() for each in Level],
        default=Level.INFO.name.lower(),
        help="the lowest level to log (default: info)",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Relay until SIGTERM."""
    configuration = load.from_files(options.config, os.environ)
    lock = None if options.dry_run else Lock(os.environ)
    if lock and "NOTIFY_SOCKET" not in os.environ:  # under systemd the service waits
        holder = lock.take()
        if holder is not None:
            raise Refused([f"another relay is running (process {holder}): stop that first"], EX_TEMPFAIL)
    # systemd's watchdog ends a hang with SIGABRT: let the log say where it was.
    with suppress(RuntimeError, OSError, ValueError):  # there may be no standard error to write to
        faulthandler.enable()
    reload = partial(load.from_files, options.config, os.environ)
    log_format, level = LogFormat(options.log_format), Level[options.log_level.upper()]
    with ExitStack() as running:
        try:
            log = running.enter_context(open_log(log_format, level, os.environ))
            service = Service(configuration, log, Notifier(os.environ), reload, options.dry_run, lock)
        except ImportError as error:
            needs = "the journal needs systemd-python"
            if error.name == "prometheus_client":
                needs = "metrics_textfile needs prometheus-client: install pf-status-relay[metrics]"
            raise Refused([f"{needs} ({error})"], EX_UNAVAILABLE) from None
        service.run()
    return EX_OK
