"""Use cases, one a file: a dataclass goes in, a dataclass comes out. Dagster and the CLI only call these."""
