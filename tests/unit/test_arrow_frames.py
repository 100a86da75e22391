"""Frames read through Arrow: the types and values of DuckDB's own, and columns that can be written to."""

from __future__ import annotations

import warnings

import duckdb
import pandas as pd
import pytest

from journey_mining.analysis.arrow_frames import READABLE, frame_of

VALUES = {
    "VARCHAR": "'a'", "BOOLEAN": "true", "DATE": "date '2020-01-02'",
    "TIMESTAMP": "timestamp '2020-01-02 03:04:05.123456'",
}  # fmt: skip
ROWS = {
    "all known": "cast({value} as {kind}) as x from range(3)",
    "one missing": "case when range <> 1 then cast({value} as {kind}) end as x from range(3)",
    "all missing": "cast(null as {kind}) as x from range(3)",
    "no rows": "cast({value} as {kind}) as x from range(3) where false",
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS.keys())
@pytest.mark.parametrize("kind", sorted(READABLE - {"UUID"}))
def test_a_column_is_as_duckdb_gives_it(kind: str, rows: str) -> None:
    query = "select " + rows.format(value=VALUES.get(kind, "1"), kind=kind)
    with duckdb.connect() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of DuckDB's own conversion, about pandas to come
        expected = connection.execute(query).df()
        found = frame_of(connection.sql(query).to_arrow_table())
    pd.testing.assert_frame_equal(found, expected)


def test_every_column_can_be_written_to() -> None:
    query = (
        "select cast(range as double) as number, range as whole, range % 2 = 0 as flag, cast(range as varchar) as text, "
        "timestamp '2020-01-01' + to_days(cast(range as integer)) as moment from range(5)"
    )
    with duckdb.connect() as connection:
        frame = frame_of(connection.sql(query).to_arrow_table())
    moment = pd.Timestamp("2021-01-01").as_unit("us")
    for column, value in {"number": 9.5, "whole": 9, "flag": False, "text": "z", "moment": moment}.items():
        frame.loc[0, column] = value
    assert frame.iloc[0].tolist() == [9.5, 9, False, "z", moment]


def test_repeated_texts_are_categories() -> None:
    with duckdb.connect() as connection:
        table = connection.sql("select ['b', 'a'][1 + range % 2] as label from range(4)").to_arrow_table()
    label = frame_of(table, repeated=["label"])["label"]
    assert isinstance(label.dtype, pd.CategoricalDtype)
    assert label.tolist() == ["b", "a", "b", "a"]


def test_a_table_without_rows_or_columns_has_its_names() -> None:
    with duckdb.connect() as connection:
        table = connection.sql("select 1 as a, 'x' as b where false").to_arrow_table()
    assert list(frame_of(table).columns) == ["a", "b"]
    assert frame_of(table.select([])).empty
