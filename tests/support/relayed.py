"""An interface that the service relays for, and what the metrics show of it."""

from __future__ import annotations

from pf_status_relay.core.bfd import Sessions
from pf_status_relay.core.decision import Memory, Policy, decide
from pf_status_relay.core.drain import Drains
from pf_status_relay.core.events import LacpDown
from pf_status_relay.core.facts import Facts
from pf_status_relay.core.refusals import Refusal
from pf_status_relay.core.retries import Outcome
from pf_status_relay.service.metrics import Metrics


class Relayed:
    """An interface that the service relays for, and what the metrics show of it."""

    def __init__(
        self,
        metrics: Metrics,
        interface: str = "ens5f0",
        policy: Policy | None = None,
        drains: Drains = (),
        sessions: Sessions = (),
    ) -> None:
        self.metrics = metrics
        self.memory = Memory(interface)
        self.policy = policy or Policy()
        self.drains = drains
        self.sessions = sessions

    def look(self, facts: Facts, *errors: str, seconds: float = 0.003, dry_run: bool = False) -> None:
        """Do one look as the service does; the driver refuses the first writes with `errors`."""
        decision = decide(self.memory, facts, 0.0, self.policy, self.drains, sessions=self.sessions)
        if decision.writes:
            said = [*(Refusal(0, error) for error in errors), *[None] * len(decision.writes)]
            outcomes = [Outcome(vf, refusal, dry_run) for vf, refusal in zip(decision.writes, said)]
            lost = any(isinstance(event, LacpDown) for event in decision.events)
            self.metrics.wrote(self.memory.interface, outcomes, seconds if lost else None)
        for event in decision.events:
            self.metrics.happened(event)
        self.memory = decision.memory
        self.metrics.looked(self.memory, facts)
