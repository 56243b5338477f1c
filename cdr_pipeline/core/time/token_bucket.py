"""A token bucket: the rate limit of requests that are sent, received and simulated."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """Tokens that may be spent, refilled at a constant rate up to a size. The caller passes the time.

    Attributes:
        rate: tokens added per second.
        size: most tokens that the bucket holds, which is the largest burst.
        level: tokens in the bucket; below zero if tokens were spent in advance.
        filled_at: time of the last refill, seconds of a monotonic clock.
    """

    rate: float
    size: float
    level: float
    filled_at: float

    @classmethod
    def full(cls, rate: float, size: float, now: float) -> "TokenBucket":
        """A full bucket."""
        return cls(rate, size, size, now)

    def seconds_until(self, cost: float, now: float) -> float:
        """Refills the bucket and returns the seconds until it holds the cost; 0 if it holds the cost now."""
        if now > self.filled_at:
            self.level = min(self.size, self.level + (now - self.filled_at) * self.rate)
            self.filled_at = now
        return 0.0 if self.level >= cost else (cost - self.level) / self.rate

    def spend(self, cost: float, now: float) -> float:
        """Takes the cost out at once, also in advance. Returns the seconds until the tokens are there."""
        seconds = self.seconds_until(cost, now)
        self.level -= cost
        return seconds
