"""Ids of imported records name their source and what kind of id they are; the same bytes may come under two profiles.

``17`` of profile ``acme`` becomes ``acme:id:17``; ``fp-<digest>-1`` becomes ``acme:fp:<digest>-1``; ``fx-...``, which
a corrected line got, becomes ``acme:fx:...``. The profile is that of the upload that delivered the record last. Records
whose upload is on no record any more belong to the source ``unknown``.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_SOURCE = "replace(replace(coalesce(uploads.profile, 'unknown'), '~', '~7e'), ':', '~3a')"
_DIGEST_AND_NUMBER = "[0-9a-f]{32}-[0-9]+$"


def _named(record_id: str) -> str:
    return f"""{_SOURCE} || CASE
        WHEN {record_id} ~ '^fp-{_DIGEST_AND_NUMBER}' THEN ':fp:' || substr({record_id}, 4)
        WHEN uploads.corrects IS NOT NULL AND {record_id} ~ '^fx-{_DIGEST_AND_NUMBER}'
            THEN ':fx:' || substr({record_id}, 4)
        ELSE ':id:' || {record_id}
    END"""


# The load that a row of a table aliased ``delivered`` comes from, and the upload that it read.
_UPLOAD = """
    LEFT JOIN batches
        ON batches.account_id = delivered.account_id AND batches.batch_id = delivered.batch_id
    LEFT JOIN uploads
        ON uploads.account_id = batches.account_id AND uploads.sha256 = batches.source
"""
# New ids of all imported records; every other table learns them from here, and cdr itself is changed last.
_RENAMED = f"""
    SELECT delivered.account_id, delivered.record_id, delivered.business_date, {_named("delivered.record_id")} AS new_id
    FROM cdr AS delivered {_UPLOAD}
    WHERE delivered.origin = 'imported'
"""
_OTHER_TABLES = (
    ("cdr_keys", "record_id", "changed.origin = 'imported'"),
    ("cdr_history", "record_id", "changed.origin = 'imported'"),
    ("erased_records", "record_id", "changed.origin = 'imported'"),
    ("cdr_links", "imported_record_id", "true"),
)
# Whether two numbers are not one subscriber's: a number that is missing or masked on one side tells nothing.
_OTHER_NUMBER = r"""
    CREATE FUNCTION cdr_other_number(fresh text, known text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $body$
        SELECT
            coalesce(fresh, '') <> ''
            AND coalesce(known, '') <> ''
            AND lower(fresh) <> lower(known)
            AND cdr_masked(fresh) <> known
            AND NOT (
                regexp_replace(fresh, '[^0-9]', '', 'g') = regexp_replace(known, '[^0-9]', '', 'g')
                AND fresh ~ '[0-9]'
            )
            AND NOT (
                length(regexp_replace(fresh, '[^0-9]', '', 'g')) >= 8
                AND length(regexp_replace(known, '[^0-9]', '', 'g')) >= 8
                AND right(regexp_replace(fresh, '[^0-9]', '', 'g'), 8)
                    = right(regexp_replace(known, '[^0-9]', '', 'g'), 8)
            )
    $body$
"""


def _outcome_id(carrier_record_id: str) -> str:
    """Fingerprint of an outcome, as core/outcomes.py makes it."""
    columns = (
        "class", "switch_record_id", carrier_record_id, "switch_seconds", "carrier_seconds", "switch_amount",
        "carrier_amount", "exposure",
    )  # fmt: skip
    values = " || '\\x1f'::bytea || ".join(
        f"coalesce(convert_to({column}::text, 'UTF8'), '\\x00'::bytea)" for column in columns
    )
    return f"left(encode(sha256({values}), 'hex'), 32)"


def _rename_outcomes(new_id: str, rest: str) -> None:
    """Changes the carriers' ids in outcomes; a decision about a break is known by a fingerprint that holds them."""
    op.execute("ALTER TABLE reconciled_calls ADD COLUMN renamed_id text")
    op.execute(
        "UPDATE reconciled_calls AS changed SET"
        f" renamed_id = CASE WHEN outcome_id = {_outcome_id('carrier_record_id')} THEN {_outcome_id(new_id)} END,"
        f" carrier_record_id = {new_id} {rest}"
    )
    op.execute(
        "INSERT INTO break_decisions (account_id, outcome_id, decision_no, decision, reason, decided_by, decided_at)"
        " SELECT DISTINCT decided.account_id, called.renamed_id, decided.decision_no, decided.decision,"
        " decided.reason, decided.decided_by, decided.decided_at"
        " FROM break_decisions AS decided INNER JOIN reconciled_calls AS called"
        " ON called.account_id = decided.account_id AND called.outcome_id = decided.outcome_id"
        " WHERE called.renamed_id IS NOT NULL"
    )
    op.execute(
        "DELETE FROM break_decisions AS decided USING reconciled_calls AS called"
        " WHERE called.account_id = decided.account_id AND called.outcome_id = decided.outcome_id"
        " AND called.renamed_id IS NOT NULL"
    )
    op.execute("UPDATE reconciled_calls SET outcome_id = renamed_id WHERE renamed_id IS NOT NULL")
    op.execute("ALTER TABLE reconciled_calls DROP COLUMN renamed_id")


def _without_source(column: str) -> str:
    kind, rest = f"split_part({column}, ':', 2)", f"regexp_replace({column}, '^[^:]*:(id|fp|fx):', '')"
    return f"CASE {kind} WHEN 'id' THEN {rest} ELSE {kind} || '-' || {rest} END"


def upgrade() -> None:
    """Gives imported records their new ids in every table that names them."""
    for table, column, condition in _OTHER_TABLES:
        op.execute(
            f"UPDATE {table} AS changed SET {column} = renamed.new_id FROM ({_RENAMED}) AS renamed"
            f" WHERE renamed.account_id = changed.account_id AND renamed.record_id = changed.{column} AND {condition}"
        )
    _rename_outcomes(
        "renamed.new_id",
        f"FROM ({_RENAMED}) AS renamed"
        " WHERE renamed.account_id = changed.account_id AND renamed.record_id = changed.carrier_record_id",
    )
    op.execute(
        f"UPDATE cdr AS changed SET record_id = renamed.new_id FROM ({_RENAMED}) AS renamed"
        " WHERE renamed.account_id = changed.account_id AND renamed.record_id = changed.record_id"
        " AND renamed.business_date = changed.business_date AND changed.origin = 'imported'"
    )
    # Files of open days show the new ids from the next export on; sealed files keep what they show.
    op.execute(
        "UPDATE days SET changes = changes + 1 WHERE state = 'open' AND EXISTS ("
        " SELECT 1 FROM cdr WHERE cdr.account_id = days.account_id AND cdr.business_date = days.business_date"
        " AND cdr.origin = 'imported')"
    )
    op.execute("ALTER TABLE cdr_stage ADD COLUMN fingerprint text")
    op.execute(_OTHER_NUMBER)
    # sha256 stays the upload's id: that of the bytes, or of bytes and profile where the bytes came before.
    op.execute("ALTER TABLE uploads ADD COLUMN content_sha256 text")
    op.execute("UPDATE uploads SET content_sha256 = sha256")
    op.execute("ALTER TABLE uploads ALTER COLUMN content_sha256 SET NOT NULL")
    op.execute("ALTER TABLE uploads ADD COLUMN other_calls bigint")


def downgrade() -> None:
    """Takes source and kind from the ids; fails where two sources have the same id, which the old key cannot hold."""
    op.execute("ALTER TABLE uploads DROP COLUMN content_sha256, DROP COLUMN other_calls")
    op.execute("DROP FUNCTION cdr_other_number")
    op.execute("ALTER TABLE cdr_stage DROP COLUMN fingerprint")
    for table, column, condition in (*_OTHER_TABLES, ("cdr", "record_id", "changed.origin = 'imported'")):
        op.execute(
            f"UPDATE {table} AS changed SET {column} = {_without_source(column)}"
            f" WHERE {condition} AND {column} ~ '^[^:]*:(id|fp|fx):'"
        )
    _rename_outcomes(_without_source("carrier_record_id"), "WHERE carrier_record_id ~ '^[^:]*:(id|fp|fx):'")
