"""The message classes, and a check of what they rely on in pyroute2."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from pf_status_relay.kernel import messages
from tests.support.rtnetlink import attribute, netlink

ROOT = Path(__file__).parents[3]


def python(code: str) -> str:
    """Run code in another interpreter: this one has loaded more than the program does."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pyroute2_has_the_layout_that_is_relied_on() -> None:
    assert version("pyroute2").startswith("0.9.")


def test_the_service_loads_no_more_of_pyroute2_than_message_classes() -> None:
    loaded = python("import pf_status_relay.service.loop, sys; print(*sys.modules)").split()
    for unwanted in ("pyroute2.ndb", "pyroute2.iproute", "pyroute2.netlink.rtnl", "asyncio"):
        assert unwanted not in loaded
    assert "pyroute2.netlink" in loaded
    assert len([name for name in loaded if name.startswith("pyroute2")]) <= 10


def test_a_pyroute2_that_is_loaded_already_is_used_as_it_is() -> None:
    code = (
        "import pyroute2; before = pyroute2.IPRoute; import pf_status_relay.service.loop, pyroute2 as after; "
    )
    assert python(code + "print(before is after.IPRoute)") == "True\n"


def test_a_missing_pyroute2_is_reported_by_its_name() -> None:
    code = (
        "import sys; from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *more: None if name == 'pyroute2' else find(name, *more)\n"
        "try: import pf_status_relay.kernel.messages\n"
        "except ModuleNotFoundError as error: print(error.name, error)"
    )
    assert python(code) == "pyroute2 No module named 'pyroute2'\n"


def test_a_request_is_encoded_as_the_kernel_reads_it() -> None:
    request = messages.link_message()
    request["index"] = 0x01020304
    request["attrs"] = [("IFLA_EXT_MASK", 9), ("IFLA_IFNAME", "ens5f0"), ("IFLA_ALT_IFNAME", "enp5s0f0")]
    request["header"] = {"type": messages.RTM_GETLINK, "flags": 1, "sequence_number": 7, "pid": 0}
    request.encode()
    header = b"\0" * 4 + (0x01020304).to_bytes(4, sys.byteorder) + b"\0" * 8
    attributes = (
        attribute(29, (9).to_bytes(4, sys.byteorder))
        + attribute(3, b"ens5f0\0")
        + attribute(53, b"enp5s0f0\0")
    )
    assert bytes(request.data) == netlink(18, header + attributes, flags=1, sequence=7)


def test_a_vf_list_is_encoded_as_the_bytes_that_it_is() -> None:
    request = messages.link_message()
    request["attrs"] = [("IFLA_VFINFO_LIST", b"sixteen bytes...")]
    request["header"] = {"type": messages.RTM_SETLINK, "flags": 5, "sequence_number": 1, "pid": 0}
    request.encode()
    assert bytes(request.data) == netlink(
        19, bytes(16) + attribute(22, b"sixteen bytes..."), flags=5, sequence=1
    )


@pytest.mark.parametrize(
    ("message", "found"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(attribute(3, b""), [(3, 0, 4)], id="no payload"),
        pytest.param(attribute(3, b"abc") + attribute(4, b"d"), [(3, 0, 7), (4, 8, 13)], id="padding"),
        pytest.param(attribute(3, b"abc")[:7], [(3, 0, 7)], id="the last lacks its padding"),
        pytest.param(attribute(3, b"abcd")[:7], [], id="the payload is cut"),
        pytest.param(attribute(3, b"abcd") + b"\x08\0\x03", [(3, 0, 8)], id="the header is cut"),
        pytest.param(attribute(0x8000 | 18, b""), [(18, 0, 4)], id="the nested flag"),
        pytest.param(attribute(0x4000 | 18, b""), [(18, 0, 4)], id="the byte order flag"),
        pytest.param(b"\x03\0\x01\0", [], id="a length less than the header"),
        pytest.param(bytes(8), [], id="no length"),
    ],
)
def test_attributes_are_walked_to_the_first_that_does_not_fit(
    message: bytes, found: list[tuple[int, int, int]]
) -> None:
    if sys.byteorder == "big":
        pytest.skip("the table is in little endian")
    assert list(messages.attributes(message, 0, len(message))) == found


def test_attributes_are_walked_within_the_part_given() -> None:
    message = b"head" + attribute(1, b"abcd") + attribute(2, b"")
    assert list(messages.attributes(message, 4, 12)) == [(1, 4, 12)]
