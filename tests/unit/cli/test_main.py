"""The command line: exit statuses, and messages to the user."""

from __future__ import annotations

import errno
import faulthandler
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Callable

import pytest

from pf_status_relay import __version__
from pf_status_relay.cli import host, main
from pf_status_relay.cli.commands import run
from pf_status_relay.config import load
from pf_status_relay.config.keys import Config
from pf_status_relay.core.events import Event, LinkEventsLost, PfNotReady, PfReady, SlowLacpRate
from pf_status_relay.log.output import Log
from pf_status_relay.service.lock import Lock
from pf_status_relay.service.systemd import Notifier

ROOT = Path(__file__).parents[3]
WINGS = ("core", "kernel", "config", "log", "service", "cli", "openshift")
Capture = pytest.CaptureFixture[str]


class Started:
    """Stands in for the service and remembers what it was started with."""

    def __init__(self) -> None:
        self.config: Config | None = None
        self.log: Log | None = None
        self.load: Callable[[], Config] | None = None
        self.dry_run: bool | None = None
        self.ran = False
        self.events: Sequence[Event] = ()

    def __call__(
        self,
        config: Config,
        log: Log,
        notifier: Notifier,
        load: Callable[[], Config],
        dry_run: bool,
        lock: Lock | None,
    ) -> Started:
        """Record the arguments, in place of the constructor."""
        self.config, self.log, self.load, self.dry_run, self.lock = config, log, load, dry_run, lock
        return self

    def run(self) -> None:
        """Log the events, in place of the loop."""
        self.ran = True
        assert self.log is not None
        self.log(self.events)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    service = Started()
    monkeypatch.setattr(run, "Service", service)
    monkeypatch.setattr(run, "Notifier", lambda environment: None)
    monkeypatch.setattr(faulthandler, "enable", lambda: None)  # pytest has its own
    monkeypatch.delenv(load.INTERFACES_VARIABLE, raising=False)
    monkeypatch.delenv(load.INTERVAL_VARIABLE, raising=False)
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    return service


@pytest.fixture(autouse=True)
def runtime_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text('interfaces = ["ens5f0"]\npolling_interval_ms = 250\n')
    return path


def test_run_serves_what_the_file_says_and_ends_with_status_0(started: Started, file: Path) -> None:
    assert main.main(["run", "--config", str(file)]) == 0
    assert started.ran
    assert started.config == Config(("ens5f0",), 250)
    assert started.dry_run is False


def test_run_serves_what_the_environment_says(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "DEFAULT_PATH", tmp_path / "missing")
    monkeypatch.setenv("PF_STATUS_RELAY_INTERFACES", "ens5f0, ens5f1")
    assert main.main(["run"]) == 0
    assert started.config == Config(("ens5f0", "ens5f1"), 1000)


@pytest.mark.parametrize(
    "command",
    [["config", "show"], ["config", "import", "--from-env"], ["machineconfig", "--from-env"]],
)
def test_what_was_dropped_of_the_environment_is_said_on_standard_error(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, command: list[str]
) -> None:
    monkeypatch.setattr(load, "DEFAULT_PATH", tmp_path / "missing")
    monkeypatch.setenv("PF_STATUS_RELAY_INTERFACES", "ens5f0,")
    monkeypatch.setenv("PF_STATUS_RELAY_POLLING_INTERVAL", "90000")
    assert main.main(command) == 0
    assert capsys.readouterr().err.splitlines() == [
        "pf-status-relay: warning: environment: PF_STATUS_RELAY_INTERFACES: 1 empty entry is dropped",
        "pf-status-relay: warning: environment: PF_STATUS_RELAY_POLLING_INTERVAL is 90000; cut to 60000",
    ]


LATER = 'interfaces = ["ens5f0"]\nzone_from_a_later_version = 1\n'


@pytest.mark.parametrize("command", [["config", "show"], ["status"]])
def test_what_is_left_out_of_the_file_is_said_on_standard_error(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, command: list[str]
) -> None:
    monkeypatch.setattr(host, "read_pfs", lambda configuration: {})
    file.write_text(LATER)
    main.main([*command, "--config", str(file)])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'pf-status-relay: warning: {file}: unknown key "zone_from_a_later_version" with ')
    assert line.endswith("; the key is left out")


def test_the_service_gets_what_is_left_out_of_the_file_to_log_it(
    started: Started, file: Path, capsys: Capture
) -> None:
    file.write_text(LATER)
    assert main.main(["run", "--config", str(file)]) == 0
    assert started.config is not None
    assert len(started.config.warnings) == 1
    assert capsys.readouterr().err == "", "the log has it"


def test_a_dry_run_is_asked_for_by_an_option(started: Started, file: Path) -> None:
    assert main.main(["run", "--dry-run", "--config", str(file)]) == 0
    assert started.dry_run is True


def test_by_hand_a_second_relay_is_refused_in_a_line_with_status_75(
    started: Started, file: Path, capsys: Capture
) -> None:
    assert Lock(os.environ).take() is None
    assert main.main(["run", "--config", str(file)]) == 75
    assert not started.ran
    process = os.getpid()
    assert capsys.readouterr().err == (
        f"pf-status-relay: another relay is running (process {process}): stop that first\n"
    )


def test_a_dry_run_excludes_nobody_and_is_not_excluded(started: Started, file: Path) -> None:
    assert main.main(["run", "--dry-run", "--config", str(file)]) == 0
    assert started.lock is None
    assert main.main(["run", "--config", str(file)]) == 0
    assert main.main(["run", "--dry-run", "--config", str(file)]) == 0


def test_under_systemd_the_service_is_left_to_wait(
    started: Started, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    assert Lock(os.environ).take() is None
    assert main.main(["run", "--config", str(file)]) == 0
    assert started.lock is not None


def test_faults_of_the_configuration_are_a_line_each_and_status_78(
    started: Started, file: Path, capsys: Capture
) -> None:
    file.write_text('interfaces = [""]\npolling_interval_ms = 1\nonstop = "1\\n2"\n')
    assert main.main(["run", "--config", str(file)]) == 78
    assert not started.ran
    out, err = capsys.readouterr()
    assert out == ""
    first, second, third = err.splitlines()
    assert first.startswith(f'pf-status-relay: {file}: interfaces[0] is ""; allowed: ')
    assert second.startswith(f"pf-status-relay: {file}: polling_interval_ms is 1; allowed: ")
    assert third.startswith(
        f'pf-status-relay: {file}: unknown key "onstop" with the value "1\\n2"; '
        "did you mean on_stop? allowed: "
    )


def test_metrics_without_prometheus_client_are_one_line_and_status_69(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.setattr(run, "Notifier", lambda environment: SimpleNamespace(watchdog_s=None))
    file.write_text(f"{file.read_text()}metrics_textfile = '/a.prom'\n")
    assert main.main(["run", "--config", str(file), "--log-format", "json"]) == 69
    (line,) = capsys.readouterr().err.splitlines()
    hint = "metrics_textfile needs prometheus-client: install pf-status-relay[metrics]"
    assert line.startswith(f"pf-status-relay: {hint} (")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], ["INFO", "WARN", "ERROR"]),
        (["--log-level", "debug"], ["DEBUG", "INFO", "WARN", "ERROR"]),
        (["--log-level", "error"], ["ERROR"]),
    ],
)
def test_the_log_has_info_and_worse_unless_said_otherwise(
    started: Started, file: Path, capfd: Capture, options: list[str], told: list[str]
) -> None:
    started.events = (LinkEventsLost(), PfReady("a"), SlowLacpRate("a"), PfNotReady("a", "b"))
    assert main.main(["run", "--config", str(file), "--log-format", "json", *options]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split('"level":"')[1].split('"')[0] for line in lines] == told


def test_the_version_is_told(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main.main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"pf-status-relay {__version__}\n"


def test_help_names_the_variables_and_the_exit_status_that_a_user_needs(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")  # so that no path is broken over two lines
    with pytest.raises(SystemExit) as left:
        main.main(["run", "--help"])
    assert left.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    for word in (load.INTERFACES_VARIABLE, load.INTERVAL_VARIABLE, "/etc/pf-status-relay.toml", "78"):
        assert word in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["relay"], "invalid choice: 'relay'"),
        (["run", "--log-level", "loud"], "argument --log-level: invalid choice: 'loud'"),
        (["run", "--log-format", "xml"], "argument --log-format: invalid choice: 'xml'"),
        (["run", "--config"], "argument --config: expected one argument"),
        (["run", "--what"], "unrecognized arguments: --what"),
        (["run", "more"], "unrecognized arguments: more"),
        (
            ["machineconfig"],
            "one of the arguments --from-env --from-pflacpmonitor --config --disruption-policy is required",
        ),
        (
            ["machineconfig", "--disruption-policy", "--from-env"],
            "not allowed with argument --disruption-policy",
        ),
        (["machineconfig", "--from-env", "--config", "x"], "not allowed with argument --from-env"),
        (["machineconfig", "--from-pflacpmonitor"], "--from-pflacpmonitor: expected at least one argument"),
        (["status", "--json", "--watch"], "argument --watch: not allowed with argument --json"),
        (["history", "--since", "-7x"], "argument --since: '-7x' is no time; allowed: -7d, "),
        (["history", "--since", "2999-01-01"], "argument --since: '2999-01-01' is in the future"),
        (["config"], "the following arguments are required: COMMAND"),
        (["config", "import"], "one of the arguments --from-env --from-pflacpmonitor is required"),
    ],
)
def test_an_argument_at_fault_is_refused_with_one_clear_message(
    started: Started, capsys: Capture, arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as left:
        main.main(arguments)
    assert left.value.code == 2
    assert not started.ran
    errors = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert len(errors) == 1
    assert message in errors[0]


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["run", "--config", ""], "--config"),
        (["run", "--log-level="], "--log-level"),
        (["status", "--config="], "--config"),
        (["check", "--config", ""], "--config"),
        (["check", "--probe", ""], "--probe"),
        (["history", "--since", ""], "--since"),
        (["history", "--interface="], "--interface"),
        (["config", "show", "--config", ""], "--config"),
        (["config", "import", "--from-pflacpmonitor", ""], "--from-pflacpmonitor"),
        (["machineconfig", "--role", "", "--from-env"], "--role"),
        (["machineconfig", "--role=", "--from-env"], "--role"),
        (["machineconfig", "--config", ""], "--config"),
        (["machineconfig", "--from-pflacpmonitor", "a.yaml", ""], "--from-pflacpmonitor"),
    ],
)
def test_an_empty_value_as_of_an_unset_shell_variable_is_one_line_and_status_65(
    started: Started, capsys: Capture, monkeypatch: pytest.MonkeyPatch, arguments: list[str], option: str
) -> None:
    monkeypatch.setenv(load.INTERFACES_VARIABLE, "ens5f0")
    assert main.main(arguments) == 65
    assert not started.ran
    assert capsys.readouterr() == (
        "",
        f'pf-status-relay: {option} is ""; allowed: a value that is not empty (is a shell variable unset?)\n',
    )


def run_module(
    *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "pf_status_relay", *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_module_is_the_program() -> None:
    done = run_module("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"pf-status-relay {__version__}\n", "")


def test_the_program_leaves_with_the_status_of_its_command(tmp_path: Path) -> None:
    done = run_module("run", "--config", str(tmp_path / "missing.toml"))
    assert done.returncode == 78
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_a_fault_that_is_no_text_can_be_told(tmp_path: Path) -> None:
    done = run_module("run", environment={"PF_STATUS_RELAY_INTERFACES": os.fsdecode(b"\xff /")})
    assert done.returncode == 78
    assert "PF_STATUS_RELAY_INTERFACES[0] is " in done.stderr
    assert "Traceback" not in done.stderr


def test_it_runs_without_standard_input_output_and_error(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(0.1)
        relay = subprocess.Popen(
            ["sh", "-c", f"exec {sys.executable} -m pf_status_relay run <&- >&- 2>&-"],
            env={
                **os.environ,
                load.INTERFACES_VARIABLE: "lo",
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
            },
            cwd=ROOT,
        )
        told = b""
        while b"READY=1" not in told:
            assert relay.poll() is None
            with suppress(socket.timeout):
                told = systemd.recv(1024)
        relay.terminate()
        assert relay.wait() == 0


def watch(*, environment: dict[str, str], signal_number: int) -> tuple[int, str]:
    """Run `status --watch` on a terminal for two looks; return its exit status and all its output."""
    master, slave = pty.openpty()
    watching = subprocess.Popen(
        [sys.executable, "-m", "pf_status_relay", "status", "--watch"],
        cwd=ROOT,
        env={**os.environ, load.INTERFACES_VARIABLE: "lo", **environment},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    sent = b""
    while sent.count(b"PF  LINK") < 2:
        sent += os.read(master, 1 << 16)
    watching.send_signal(signal_number)
    with suppress(OSError):  # EIO: no process has the terminal open any more
        while more := os.read(master, 1 << 16):
            sent += more
    os.close(master)
    return watching.wait(), sent.decode()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_watching_gives_the_terminal_back_and_ends_with_the_status_of_its_last_look(
    signal_number: int,
) -> None:
    status, sent = watch(environment={"TERM": "xterm"}, signal_number=signal_number)
    assert status == 2, "lo is not ready"
    assert sent.startswith("\x1b[?1049h")
    assert sent.count("\x1b[H") >= 2
    assert sent.endswith("\x1b[?7h\x1b[?25h\x1b[?1049l")
    assert "Traceback" not in sent


def test_watching_gives_the_terminal_back_while_it_is_suspended() -> None:
    master, slave = pty.openpty()

    def sent_until(last: bytes) -> bytes:
        sent = b""
        while not sent.endswith(last):
            sent += os.read(master, 1)
        return sent

    # The kernel does not suspend a process group without a shell that looks after it: the test is that shell.
    job = "import os; from pf_status_relay.cli.main import main; os.setpgrp(); raise SystemExit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", job, "status", "--watch"],
        cwd=ROOT,
        env={**os.environ, load.INTERFACES_VARIABLE: "lo", "TERM": "xterm"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    ) as watching:
        try:
            sent_until(b"PF  LINK")
            for _ in range(2):
                watching.send_signal(signal.SIGTSTP)
                state = os.waitid(os.P_PID, watching.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                assert state is not None
                assert (state.si_code, state.si_status) == (os.CLD_STOPPED, signal.SIGTSTP)
                os.write(slave, b"the shell")
                assert sent_until(b"the shell").endswith(b"\x1b[?7h\x1b[?25h\x1b[?1049lthe shell")
                watching.send_signal(signal.SIGCONT)
                assert sent_until(b"PF  LINK").startswith(b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H")
            watching.send_signal(signal.SIGINT)
            assert watching.wait() == 2
            os.write(slave, b"the shell")
            assert sent_until(b"the shell").endswith(b"\x1b[?7h\x1b[?25h\x1b[?1049lthe shell")
        finally:
            watching.kill()
    os.close(slave)
    os.close(master)


def test_watching_on_a_dumb_terminal_moves_no_cursor() -> None:
    status, sent = watch(environment={"TERM": "dumb"}, signal_number=signal.SIGINT)
    assert status == 2
    assert "\x1b" not in sent


@pytest.mark.parametrize("command", [["status"], ["status", "--watch"], ["status", "--json"], ["check"]])
def test_a_reader_that_leaves_ends_it_without_a_word(command: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "pf_status_relay", *command],
        cwd=ROOT,
        env={**os.environ, load.INTERFACES_VARIABLE: "lo"},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    "command", [["status"], ["status", "--watch"], ["check"], ["config", "import", "--from-env"]]
)
def test_a_full_disk_is_one_line_and_status_74(command: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pf_status_relay", *command],
            cwd=ROOT,
            env={**os.environ, load.INTERFACES_VARIABLE: "lo"},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 74
    assert done.stderr == "pf-status-relay: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("command", ["status", "check", "status --json"])
def test_a_closed_standard_output_is_one_that_cannot_be_written(command: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m pf_status_relay {command} >&-"],
        cwd=ROOT,
        env={**os.environ, load.INTERFACES_VARIABLE: "lo"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 74
    assert done.stderr == "pf-status-relay: standard output cannot be written: Bad file descriptor\n"


def no_socket(*arguments: object) -> socket.socket:
    raise PermissionError(errno.EPERM, "Operation not permitted")


def test_without_netlink_status_is_one_line_and_status_71(
    file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", no_socket)
    assert main.main(["status", "--config", str(file)]) == 71
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "pf-status-relay: the kernel cannot be asked by netlink: Operation not permitted\n"


def test_without_netlink_check_fails_and_goes_on(
    file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", no_socket)
    assert main.main(["check", "--config", str(file)]) == 2
    out = capsys.readouterr().out
    assert "failed   host: the kernel cannot be asked by netlink: Operation not permitted\n" in out
    assert "CAP_NET_ADMIN" in out


@pytest.mark.parametrize("json", [[], ["--json"]])
def test_a_bad_configuration_is_a_line_each_for_status_and_status_78(
    file: Path, capsys: Capture, json: list[str]
) -> None:
    file.write_text("interfaces = []\n")
    assert main.main(["status", "--config", str(file), *json]) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"pf-status-relay: {file}: interfaces is []; allowed: ")


def test_the_probe_without_the_capability_is_one_line_and_status_77(
    file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "has_net_admin", lambda: False)
    assert main.main(["check", "--probe", "ens5f0:0", "--config", str(file)]) == 77
    assert capsys.readouterr().err == "pf-status-relay: --probe needs CAP_NET_ADMIN: run it as root\n"


@pytest.mark.parametrize("vf", ["ens5f0", "ens5f0:", ":3", "ens5f0:x", "ens5f0:-1", "ens5f0:\u0663"])
def test_a_vf_to_probe_that_is_not_named_in_full_is_refused(vf: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["check", "--probe", vf])
    assert ended.value.code == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.endswith(f"argument --probe: {vf!r} is not PF:VF, such as ens5f0:3 for VF 3 of ens5f0")


def test_a_vf_to_probe_has_to_be_of_a_pf_that_can_be_read(file: Path, capsys: Capture) -> None:
    file.write_text('interfaces = ["no-such0"]')
    assert main.main(["check", "--probe", "no-such0:0", "--config", str(file)]) == 2
    assert capsys.readouterr() == ("", "pf-status-relay: --probe: no-such0 cannot be read: Link not found\n")


def test_the_daemon_loads_no_other_command_and_nothing_of_openshift() -> None:
    code = """
import sys
from pf_status_relay.cli import main
main.parser(["run"])
print(*sorted(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith("pf_status_relay.")}
    wings = {wing: {name for name in loaded if name.startswith(f"pf_status_relay.{wing}.")} for wing in WINGS}
    assert "pf_status_relay.service.loop" in wings["service"]
    assert wings["openshift"] == set()
    parts = ("commands", "commands.run", "exit_status", "main", "shared_arguments", "streams")
    assert wings["cli"] == {f"pf_status_relay.cli.{part}" for part in parts}


def test_ctrl_c_ends_a_command_without_a_traceback(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    file.write_text('interfaces = ["lo"]')
    monkeypatch.setattr(host, "RequestSocket", interrupt)
    assert main.main(["status", "--config", str(file)]) == 130
    assert capsys.readouterr() == ("", "")
