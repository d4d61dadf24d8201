"""The list of columns that repositories name is the database's."""

from sqlalchemy import TableClause, text

from store import tables
from store.door import Store

# Read through functions alone (store.custody), or by nobody.
UNNAMED = {"tenant_secret", "credential_secret", "schema_version"}


async def test_tables_and_columns_are_as_in_the_database(store: Store) -> None:
    named = {
        (item.name, column.name)
        for item in vars(tables).values()
        if isinstance(item, TableClause)
        for column in item.c
    }
    query = text(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'conduit'::regnamespace AND c.relkind IN ('r', 'p')"
        " AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped"
    )
    async with store.engine.connect() as connection:
        found = {(table, column) for table, column in await connection.execute(query) if table not in UNNAMED}
    assert named == found
