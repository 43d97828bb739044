"""A socket whose kernel is the test, in place of every socket that is opened."""

from __future__ import annotations

import socket

import pytest

from tests.support.netlink_socket import NetlinkSocket


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> NetlinkSocket:
    fake = NetlinkSocket()
    monkeypatch.setattr(socket, "socket", lambda *arguments: fake)
    return fake
