"""Clocks, time zones, business days and coverage of time by windows."""
