"""The rules of the field: pure functions on frames and values. No I/O, clock, environment or logging here."""
