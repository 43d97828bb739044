"""How verdicts are shown to a person."""

from __future__ import annotations

import io

from pf_status_relay.cli import findings
from pf_status_relay.cli.findings import Finding, Verdict
from pf_status_relay.cli.terminal import Terminal


def test_a_person_reads_a_line_each_and_what_to_do_below() -> None:
    lines = [
        Finding("ens5f0", Verdict.PASSED, "exists"),
        Finding("ens5f0", Verdict.FAILED, "is broken", "replace it"),
    ]
    assert findings.text(lines, Terminal(io.StringIO(), {})) == (
        "passed   ens5f0: exists\nfailed   ens5f0: is broken\n             replace it\n"
    )
