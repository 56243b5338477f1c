import pytest

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.errors import UnbalancedBatch


def test_a_balanced_batch_passes() -> None:
    BatchCounts(read=6, inserted=1, updated=1, unchanged=1, duplicate=1, rejected=1, filtered=1).require_balance(
        "batch"
    )


def test_a_lost_row_is_an_error_that_names_the_batch() -> None:
    with pytest.raises(UnbalancedBatch, match="upload x: 2 rows read but 1 accounted for"):
        BatchCounts(read=2, inserted=1).require_balance("upload x")


def test_counts_add_up() -> None:
    total = BatchCounts(read=2, inserted=2) + BatchCounts(read=1, unchanged=1)
    assert total == BatchCounts(read=3, inserted=2, unchanged=1)
    assert total.merged == 2
