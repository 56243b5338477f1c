"""Tests of cdr_pipeline, by topic; helpers are in ``tests.support``."""
