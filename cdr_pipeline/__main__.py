"""``python -m cdr_pipeline`` is ``cdr-pipeline``."""

from cdr_pipeline.cli import main

main()
