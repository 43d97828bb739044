"""The guide, followed as it stands: bonds by nmcli, VFs by udev, relay, pod, outage, drain, and back."""

from __future__ import annotations

import pytest

from tests.lab.kit import guide
from tests.lab.kit.lab import Lab


@pytest.mark.systemd(network_manager=True)
def test_the_guide_works_as_written(lab: Lab) -> None:
    node = guide.Node(lab)
    page = guide.PAGE.read_text()
    followed = node.follow(page)
    assert guide.without_times(page) == guide.without_times(followed), "python -m tests.lab.kit.guide"
    for pf in node.pfs:
        assert pf.vf_states() == []
        assert pf.port_state() is None
