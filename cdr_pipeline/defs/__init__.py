"""The only code that imports Dagster. A function here calls one step and turns its result into metadata and checks."""
