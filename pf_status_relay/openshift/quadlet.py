"""The service as a container, from which podman's quadlet makes a systemd unit (podman-systemd.unit(5)).

It is for nodes whose operating system does not have the RPM. It is the same service under the same name:
sd_notify and watchdog, native journal entries, one capability, only /run/pf-status-relay is writable. The
file uses only options that podman 4.9 knows: with an unknown option, quadlet makes no unit at all. [Quadlet]
is for later versions; with earlier ones, systemd ignores that section.

A restart first stops the running service. The new image must be there before, and an unreachable registry
must not stop relaying. So a separate unit pulls the image, and the node disruption policy restarts that unit
first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PATH = "/etc/containers/systemd/pf-status-relay.container"
PULLER = "pf-status-relay-image.service"

_NAME = "[a-z0-9]+((\\.|_{1,2}|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    "(?P<name>"
    r"(localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+(?=:[0-9])|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?"
    f"(/{_NAME})+)"
    r"(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
    "@(?P<digest>sha256:[0-9a-f]{64})"
)

IMAGE_ALLOWED = (
    "allowed: REGISTRY/NAME:TAG@sha256:DIGEST, where the tag is optional; the digest (64 hexadecimal digits) "
    "identifies the image even if the tag moves"
)

_FILE = """\
# {image}
[Unit]
Description=Relay LACP state of SR-IOV physical functions to their virtual functions
# Restart without limit: nothing else on the host notices that LACP is down.
StartLimitIntervalSec=0

[Container]
# By its digest alone: a tag beside it has no effect, and not every podman accepts both.
Image={name}@{digest}
ContainerName=pf-status-relay
# Pull once. After that, a start needs no registry.
Pull=missing
PodmanArgs=--stop-timeout=5
Exec=run --log-format journal
# The service itself tells systemd when it is ready and alive.
Notify=true
PodmanArgs=--env=WATCHDOG_USEC
# It shows the service that systemd runs it. In a container the service cannot ask systemd whether a stop is a
# restart (on_stop = "restore"), so it leaves the VFs as they are.
PodmanArgs=--env=INVOCATION_ID

# The PFs are in the host's network. The user owns nothing, and has only the capability to set link states.
Network=host
User={user}
Group={user}
DropCapability=all
AddCapability=NET_ADMIN
NoNewPrivileges=true
ReadOnly=true
ReadOnlyTmpfs=false
# SELinux does not let a confined container send to journald, or read files that are not labelled for it.
SecurityLabelDisable=true

# The configuration and its drop-ins: the image has links to them. The whole folder is mounted: a file that is
# mounted alone would stay the old one after the host replaces it.
Volume=/etc:/run/host/etc:ro
Volume=/run/pf-status-relay.d:/run/pf-status-relay.d:ro
# journald's socket, in its folder for the same reason. Other output goes to the journal through the unit.
Volume=/run/systemd/journal:/run/systemd/journal:ro
LogDriver=passthrough
# state.json, for `pf-status-relay status`, and the lock.
Volume=/run/pf-status-relay:/run/pf-status-relay:U
Environment=RUNTIME_DIRECTORY=/run/pf-status-relay
# So that `pf-status-relay check` knows the service's own process.
PodmanArgs=--cgroupns=host

[Quadlet]
# Do not wait for other units at boot: a dead switch would go unnoticed meanwhile.
DefaultDependencies=false

[Service]
# The cluster's pull secret, as each node has it.
Environment=REGISTRY_AUTH_FILE=/var/lib/kubelet/config.json
RuntimeDirectory=pf-status-relay
ExecStartPre=/usr/bin/mkdir -p /run/pf-status-relay.d
ExecReload=/usr/bin/podman kill --signal HUP pf-status-relay
Restart=always
RestartSec=1
# EX_CONFIG: a restart does not correct a configuration.
RestartPreventExitStatus=78
WatchdogSec=90
# For the first start, which pulls the image.
TimeoutStartSec=900
TimeoutStopSec=15
OOMScoreAdjust=-900
CPUWeight=1000

[Install]
WantedBy=multi-user.target
"""

_PULLER = """\
[Unit]
Description=Pull the image of pf-status-relay before its restart

[Service]
Type=oneshot
Environment=REGISTRY_AUTH_FILE=/var/lib/kubelet/config.json
ExecStart=/bin/sh -c 'podman image exists {name}@{digest} || exec podman pull --quiet {name}@{digest}'
TimeoutStartSec=900
"""

USER = 65532
"""Number of the service's user and group in the container: any number that owns nothing on the host works."""


@dataclass(frozen=True)
class Container:
    """The content of the file at PATH, and of the unit PULLER, which pulls the same image."""

    file: bytes
    puller: str


def container(image: str) -> Container | None:
    """Return the container that runs an image, or None if the image's name is not as IMAGE_ALLOWED says."""
    named = _IMAGE.fullmatch(image)
    if named is None:
        return None
    name, digest = named["name"], named["digest"]
    file = _FILE.format(image=image, name=name, digest=digest, user=USER)
    return Container(file.encode(), _PULLER.format(name=name, digest=digest))
