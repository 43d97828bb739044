"""Rendering of Kubernetes resources by commands: PyYAML may be missing, and the input unusable."""

from __future__ import annotations

from typing import Callable

from pf_status_relay.cli import streams
from pf_status_relay.cli.exit_status import EX_CONFLICT, EX_DATAERR, EX_UNAVAILABLE, Refused


def rendered(render: Callable[[list[str]], str]) -> str:
    """Return the text that `render` makes. Print the warnings that it adds to its argument.

    `render` imports the wing `openshift` itself, so that no other command loads it. Raises Refused.
    """
    warnings: list[str] = []
    try:
        from pf_status_relay.openshift.render import Conflict, Unusable
    except ImportError as error:
        if error.name != "yaml":
            raise
        hint = "install pf-status-relay[openshift], or the distribution's python3-pyyaml"
        raise Refused([f"YAML needs PyYAML ({error}); {hint}"], EX_UNAVAILABLE) from None
    try:
        return render(warnings)
    except Unusable as error:
        raise Refused(error.faults, EX_CONFLICT if isinstance(error, Conflict) else EX_DATAERR) from None
    finally:
        streams.warn(warnings)
