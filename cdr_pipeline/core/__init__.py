"""Business rules for CDRs: pure functions on frames and values, without I/O, clock, environment or logging."""
