"""Erasing a tenant: the only way to delete from the record, and only of a tenant that is being deleted.

No role is granted DELETE on events or usage. The function below deletes a batch of one table, if the claim
is of the purpose ``deletion`` and the tenant's state says so; the platform's own rows can never be erased.
"""

from alembic import op

from store.migrations.erased_tables import ERASED_BEFORE_0008 as ERASED
from store.migrations.erased_tables import KEPT, PLATFORM, erase_function

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Every table with a tenant, as the catalogue has them now: a table that a later migration forgets to add
# above is counted all the same, or makes this fail, and the tenant is not declared deleted.
COUNT = """
CREATE FUNCTION conduit.count_rows(tenant uuid) RETURNS TABLE (table_name text, rows bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF conduit.purpose() IS DISTINCT FROM 'deletion' THEN
        RAISE EXCEPTION 'only for a deletion' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR table_name IN
        SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'conduit'::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT c.relispartition AND a.attname = 'tenant_id' AND NOT a.attisdropped ORDER BY 1
    LOOP
        PERFORM FROM pg_policy p WHERE p.polname = 'whole'
            AND p.polrelid = ('conduit.' || quote_ident(table_name))::regclass;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'table % cannot be counted', table_name;
        END IF;
        EXECUTE format('SELECT count(*) FROM conduit.%I WHERE tenant_id = $1', table_name)
            INTO rows USING $1;
        RETURN NEXT;
    END LOOP;
END $$
"""


def upgrade() -> None:
    """Let the owner see and delete under the purpose, and the console call the two functions."""
    condition = "((SELECT conduit.purpose()) = 'deletion')"
    for table in (*ERASED, *KEPT, *PLATFORM):
        op.execute(
            f"CREATE POLICY whole ON conduit.{table} FOR SELECT TO conduit_owner"
            " USING ((SELECT conduit.purpose()) IN ('deletion', 'backup'))"
        )
    for table in ERASED:
        op.execute(
            f"CREATE POLICY erasure_delete ON conduit.{table} FOR DELETE TO conduit_owner USING {condition}"
        )
    op.execute(
        "CREATE POLICY erasure_lock ON conduit.tenant FOR UPDATE TO conduit_owner"
        f" USING {condition} WITH CHECK {condition}"
    )
    op.execute(erase_function(ERASED))
    op.execute(COUNT)
    op.execute("REVOKE ALL ON FUNCTION conduit.erase_rows, conduit.count_rows FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION conduit.erase_rows, conduit.count_rows TO conduit_platform")
