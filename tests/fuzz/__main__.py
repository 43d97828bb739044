"""`make fuzz`: runs the targets one after another, and says what was executed and what was found."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.fuzz import TARGETS

CORPUS = Path(__file__).parent / "corpus"
RESULTS = Path("build/fuzz")

TIMEOUT_S = 60
"""Maximum seconds for one input on the fuzzer's slow, instrumented code: more is a finding."""

MAX_BYTES = 8192
"""Maximum length of an input, in bytes. What longer ones find, a test can show better."""

KEPT_BYTES = 256
"""Maximum length of an input in the corpus, in bytes: inputs found by chance stay small."""


def main() -> int:
    """Fuzz, and return the exit status: 1 if anything was found."""
    options = arguments()
    findings: list[str] = []
    for name in options.targets or TARGETS:
        (RESULTS / name / "corpus").mkdir(parents=True, exist_ok=True)
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
        if options.merge:
            fuzz(
                name,
                ["-merge=1", f"-max_len={KEPT_BYTES}", str(CORPUS / name), str(RESULTS / name / "corpus")],
            )
            print(f"{name}: {len(list((CORPUS / name).iterdir()))} inputs in {CORPUS / name}", flush=True)
            print("Name each new one for what it is, or remove it.", flush=True)
        else:
            findings += findings_in(name, options.seconds)
    for finding in findings:
        print(f"Replay: .venv/bin/python -m tests.fuzz.target {finding}")
    return 1 if findings else 0


def findings_in(name: str, seconds: int) -> list[str]:
    """Fuzz a target for `seconds`, print the result, and return the arguments that replay each finding."""
    grown, found = RESULTS / name / "corpus", RESULTS / name / "found"
    found.mkdir(exist_ok=True)
    before = set(found.iterdir())
    options = [f"-max_total_time={seconds}", f"-timeout={TIMEOUT_S}", f"-max_len={MAX_BYTES}"]
    options += ["-rss_limit_mb=1024", "-print_final_stats=1", f"-artifact_prefix={found}/"]
    said = fuzz(name, [str(grown), str(CORPUS / name), *options])
    executions = re.search(r"stat::number_of_executed_units:\s*(\d+)", said)
    if executions is None:
        sys.exit(f"{said}\nfuzz: {name} did not run")
    new = sorted(set(found.iterdir()) - before)
    print(
        f"{name}: {executions.group(1)} executions, {len(list(grown.iterdir()))} inputs in {grown}, "
        f"{len(new)} new findings",
        flush=True,
    )
    if new:
        print(said[-3000:])
    return [f"{name} {shlex.quote(str(path))}" for path in new]


def arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: all)"
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: %(default)s)")
    parser.add_argument(
        "--merge",
        action="store_true",
        help="fuzz nothing; take into the corpus what was found to cover more, to be named",
    )
    options = parser.parse_args()
    for name in options.targets:
        if name not in TARGETS:
            parser.error(f"no target {name}; there are {', '.join(TARGETS)}")
    return options


def fuzz(name: str, options: list[str]) -> str:
    """Run a target with libFuzzer's options; return its output."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.target", name, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.stdout.decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
