"""The stand-in: a plain poller, for runs of the benchmark without another relay.

It is written for this benchmark and is no existing program. It does what is known of the relay in use today:
at each interval it reads every PF with its VFs and their statistics, and sends one acknowledged message for
every VF in a wrong link state. It does not listen to events. It is quicker than a program that does more.
"""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timezone

from tests.bench import wire
from tests.lab.kit import observer
from tests.support import rtnetlink as nl


def main() -> None:
    """Poll until killed."""
    names = [name.strip() for name in os.environ["PF_STATUS_RELAY_INTERFACES"].split(",")]
    interval_s = int(os.environ.get("PF_STATUS_RELAY_POLLING_INTERVAL", "1000")) / 1000
    say("Starting application")
    route = wire.open_socket()
    buffer = bytearray(wire.BUFFER_BYTES)
    links = {name: found for name in names if (found := observer.read(name, vfs=True)) is not None}
    was_up: dict[str, bool] = {}
    while True:
        for name, link in links.items():
            size = wire.ask(route, nl.get_link(nl.RTEXT_FILTER_VF, ifindex=link.ifindex), buffer)
            up = bool(wire.lacp_up(buffer, size))
            if was_up.get(name) is not up:
                say("lacp is up" if up else "lacp is down", interface=name)
            was_up[name] = up
            wrong, right = (nl.DISABLE, nl.AUTO) if up else (nl.AUTO, nl.DISABLE)
            for vf, state in enumerate(wire.vf_states(buffer, size, link.vf_count)):
                if state == wrong:
                    request = nl.set_vfs(link.ifindex, 1, right, flags=nl.NLM_F_ACK, first=vf)
                    wire.ask(route, request, buffer)
                    say("vf link state was set", id=vf, state=observer.VF_LINK_STATES[right], interface=name)
        time.sleep(interval_s)


def say(msg: str, **keys: object) -> None:
    """Log one JSON line, as a relay does."""
    now = datetime.now(timezone.utc).isoformat()
    print(json.dumps({"time": now, "level": "INFO", "msg": msg, **keys}), flush=True)


if __name__ == "__main__":
    main()
