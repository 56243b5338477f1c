"""Dagster definitions: assets, checks, jobs, schedules and sensors.

Only this package and ``cdr_pipeline.definitions`` import Dagster. Each asset or op calls functions of
``cdr_pipeline.steps`` and turns their results into metadata and check results; there is no business logic here.
"""
