"""The build of the lab's kernel, where a newer source than the one tried stops it: what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.guest import kernel

NEWER = kernel.Source(Path("linux-source.tar.xz"), "6.12.999-1~deb12u1")
TRIED = kernel.Source(Path("linux-source.tar.xz"), f"{kernel.TRIED}-1~deb12u1")
WHAT_TO_DO = (
    f"The last release tried was {kernel.TRIED}: adapt kernel.patch or kernel.config in tests/lab/guest"
)


def test_a_patch_that_no_longer_applies_says_what_has_moved_and_what_to_do(tmp_path: Path) -> None:
    changed = tmp_path / "drivers" / "net" / "netdevsim"
    changed.mkdir(parents=True)
    for name in ("dev.c", "ethtool.c", "netdev.c", "netdevsim.h"):
        (changed / name).write_text("/* upstream has rewritten this */\n")
    with pytest.raises(kernel.KernelError) as raised:
        kernel.apply_patch(NEWER, tmp_path, tmp_path / "log")
    told = str(raised.value)
    assert told.startswith(
        f"tests/lab/guest/kernel.patch does not apply to Linux 6.12.999-1~deb12u1. {WHAT_TO_DO}"
    )
    assert kernel.SOURCE_VARIABLE in told
    assert "drivers/net/netdevsim/ethtool.c" in told


def test_an_option_that_the_source_does_not_know_is_named(tmp_path: Path) -> None:
    lines = kernel.FRAGMENT.read_text().splitlines()
    config = tmp_path / ".config"
    config.write_text("\n".join(line for line in lines if line != "CONFIG_NETDEVSIM=y"))
    with pytest.raises(kernel.KernelError, match=r"does not accept CONFIG_NETDEVSIM=y of .*The last release"):
        kernel.check_configuration(NEWER, config)
    with pytest.raises(
        kernel.KernelError, match=r"does not accept CONFIG_NETDEVSIM=y of tests/lab/guest/kernel.config$"
    ):
        kernel.check_configuration(TRIED, config)


@pytest.mark.parametrize(
    ("done", "seconds", "said"),
    [
        (0.0, 0, ""),
        (0.04, 10, ""),
        (0.25, 60, ", about 3:00 left"),
        (0.99, 297, ", about 0:03 left"),
        (1.0, 300, ""),
    ],
)
def test_the_progress_line_says_how_long_is_left(done: float, seconds: int, said: str) -> None:
    assert kernel.left(done, seconds) == said
