"""cdr_pipeline: call detail records from switch and carriers, merged, reconciled and exported."""

__version__ = "0.1.0"
