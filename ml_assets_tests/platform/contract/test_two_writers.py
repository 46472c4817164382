"""Staged rows that are discarded, and staged rows that somebody else overtook."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ml_assets.spec.errors import ConcurrentWriteError, StorageError
from ml_assets_tests.platform.contract.tables import LAYOUT, NAME, append, plain, rows, values


def test_discarded_rows_are_gone_and_the_table_is_as_it_was(platform, spark):
    before = platform.tables.stage(rows(spark), LAYOUT).publish()
    staged = platform.tables.stage(rows(spark, 9), LAYOUT)
    staged.discard()
    staged.discard()
    assert platform.tables.info(NAME) == before
    with pytest.raises(StorageError, match="discarded"):
        staged.publish()


def test_discarding_after_publication_does_nothing(platform, spark):
    staged = platform.tables.stage(rows(spark), LAYOUT)
    info = staged.publish()
    staged.discard()
    assert staged.publish() == info
    assert platform.tables.read(NAME).count() == 3


@pytest.mark.parametrize("existing", [True, False])
def test_the_second_of_two_publishers_is_refused(platform, spark, existing):
    if existing:
        platform.tables.stage(rows(spark, 9), LAYOUT).publish()
    first = platform.tables.stage(rows(spark, 1), LAYOUT)
    second = platform.tables.stage(rows(spark, 2), LAYOUT)
    info = first.publish()
    with pytest.raises(ConcurrentWriteError):
        second.publish()
    second.discard()
    assert platform.tables.info(NAME) == info
    assert values(platform.tables.read(NAME)) == [0]


def test_an_append_of_others_since_staging_is_not_overwritten(platform, spark):
    layout = plain(primary_keys=("k",), not_null=("k",))
    info = platform.tables.stage(rows(spark, 2, "id AS k"), layout).publish()
    staged = platform.tables.stage(rows(spark, 9, "id AS k"), layout)
    append(
        platform, NAME, pa.table({"k": [7]}, pa.schema([pa.field("k", pa.int64(), nullable=False)]))
    )
    assert platform.tables.info(NAME).data_version == info.data_version + 1
    with pytest.raises(ConcurrentWriteError):
        staged.publish()
    staged.discard()
    assert values(platform.tables.read(NAME)) == [0, 1, 7]
