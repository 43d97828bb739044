"""What would fail quietly in `make syscalls`: a trace or a list of what is allowed that is misread."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.guest import guest
from tests.lab.kit import syscalls, tracing

TRACE = """\
execve(0x7ffd3c, 0x7ffd40, 0x7ffd48) = 0
openat(0xffffff9c, 0x400290b1, 0x80000, 0) = -1 ENOENT (No such file or directory)
restart_syscall(0x1) = 0
poll(0x41, 0x1, 0x3e8 <unfinished ...>
<... poll resumed>) = 1
--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0} ---
--- stopped by SIGSTOP ---
syscall_0x1c3(0x1, 0x2) = -1 ENOSYS (Function not implemented)
exit_group(0) = ?
+++ exited with 0 +++
+++ killed by SIGKILL +++
"""
SETS = """\
@default
    # System calls that are always permitted
    execve
    exit_group

@outer
    # Those of another set, and one more
    @inner
    tee

@inner
    # Reading
    read

# Ungrouped System Calls (known but not included in any of the groups except @known):
#   riscv_hwprobe
"""


def test_a_trace_has_the_calls_that_failed_did_not_return_or_have_no_name() -> None:
    names = {"execve", "openat", "restart_syscall", "poll", "syscall_0x1c3", "exit_group"}
    assert tracing.calls(TRACE.splitlines()) == names


def test_the_names_of_all_scenarios_are_counted_by_who_made_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setenv(tracing.KEPT, str(kept))
    for scenario, traces in {
        "first": {"run.80": "read(0x3) = 0\n", "run.81": "poll(0x3) = 0\n", "service.7": "bind(0x3) = 0\n"},
        "second": {"run.80": "read(0x3) = 0\nwrite(0x1) = 0\n"},
        "third": {},
    }.items():
        folder = tmp_path / scenario
        (folder / tracing.RESULTS).mkdir(parents=True)
        for name, text in traces.items():
            (folder / tracing.RESULTS / name).write_text(text)
        tracing.keep(folder, scenario)
    assert syscalls.read(kept) == (
        {"run": {"read", "poll", "write"}, "service": {"bind"}},
        {"run": {"first", "second"}, "service": {"first"}},
    )


def test_a_guest_is_told_nothing_unless_it_is_to_be_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (tracing.KEPT, tracing.INTERPRETER):
        monkeypatch.delenv(variable, raising=False)
    assert tracing.environment() == {}
    monkeypatch.setenv(tracing.KEPT, "/kept")
    assert tracing.environment() == {tracing.TRACED: "1", tracing.INTERPRETER: guest.python()}


def test_the_allowed_names_are_those_of_each_line_and_set_and_systemds_own() -> None:
    unit = "SystemCallFilter=@outer open\nSystemCallErrorNumber=EPERM\nSystemCallFilter=openat\n"
    allowed = {"execve", "exit_group", "tee", "read", "open", "openat"}
    assert syscalls.allowed(unit, SETS) == allowed


def test_a_list_of_what_is_refused_is_not_taken_for_one_of_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="not understood"):
        syscalls.allowed("SystemCallFilter=open\nSystemCallFilter=~tee\n", SETS)


def test_a_call_that_is_not_allowed_is_named_and_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    traces = syscalls.Traces({"run": {"read", "ptrace"}}, {"run": {"first", "second"}})
    assert syscalls.tell(traces, ["second", "third"], guest.python()) == 1
    told = capsys.readouterr().out
    assert "Seen, and not allowed: 1\n  ptrace\n" in told
    assert "Traced, but failed under strace: 1\n  second\n" in told
    assert "Failed, and not traced: 1\n  third\n" in told
    traces.names["run"].remove("ptrace")
    assert syscalls.tell(traces, [], guest.python()) == 0


def test_the_units_own_list_is_understood() -> None:
    listed = syscalls.allowed(
        syscalls.UNIT.read_text(), syscalls.output_of("systemd-analyze", "syscall-filter")
    )
    assert {"execve", "read", "epoll_wait", "sendmsg"} <= listed
    assert not {"ptrace", "mount"} & listed
    assert not [name for name in listed if name.startswith("@")]
