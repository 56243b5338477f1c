"""Use cases, one per file: each takes a request dataclass and returns a result dataclass.

Dagster, the API, the console and the CLI call these functions and contain no logic of their own.
"""
