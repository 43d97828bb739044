"""How long LACP must be up before VFs return to auto, on a link that flaps. Pure, as decision.py is.

With a fixed delay, pods follow each flap of a link for hours. With a limit (restore_delay_max_ms) it grows:

    LACP is lost again during the delay, or within as long after it    it doubles, up to the limit
    LACP has been up for the delay and as long again                   it halves, down to restore_delay_ms
    ... and for as long as the halved delay once more                  it halves again, and so on

The first loss after a calm time changes nothing. Losing LACP is never delayed.
"""

from __future__ import annotations

from dataclasses import dataclass

_NEVER = float("inf")


@dataclass(frozen=True)
class Damping:
    """What is remembered of a PF's flapping.

    `delay_s` is the delay that counts now, 0 for the configured one. `calm_at` (monotonic seconds) is when
    LACP will have been up for long enough to halve it; never, while LACP is down. `lost` is true from a loss
    of LACP until the delay is the configured one and `calm_at` has passed.
    """

    delay_s: float = 0.0
    calm_at: float = _NEVER
    lost: bool = False

    def delay(self, least_s: float) -> float:
        """Return the delay that counts now, in seconds; `least_s` is the configured one."""
        return max(self.delay_s, least_s)

    def up(self, now: float, least_s: float) -> Damping:
        """Return the damping after LACP has come up at `now`."""
        return Damping(self.delay_s, now + 2 * self.delay(least_s), self.lost)

    def down(self, now: float, least_s: float, most_s: float) -> Damping:
        """Return the damping after LACP was lost at `now`; the delay grows to at most `most_s` seconds."""
        calmer = self.calmed(now, least_s)
        delay_s = calmer.delay(least_s)
        if calmer.lost:
            delay_s = min(2 * delay_s, most_s)
        return Damping(delay_s if delay_s > least_s else 0.0, _NEVER, True)

    def calmed(self, now: float, least_s: float) -> Damping:
        """Return the damping while LACP is still up at `now`."""
        damping = self
        while damping.calm_at <= now:
            if not damping.delay_s:
                return Damping()
            halved_s = damping.delay_s / 2
            pause_s = max(halved_s, least_s)
            damping = Damping(halved_s if halved_s > least_s else 0.0, damping.calm_at + pause_s, True)
        return damping
