-- Name:        day_lines
-- Purpose:     legs of an account on a business date, in the order and format of the daily file. Without links, each
--              record is a leg of its own: ``legs`` may be the table then, which is planned and read faster.
-- Parameters:  account_id, business_date; cells of the file; legs: ``cdr_merged`` or ``cdr``.   Grain: leg.
-- Locks:       none.
COPY (
    SELECT {cells}
    FROM {legs} AS legs
    WHERE account_id = %(account_id)s AND business_date = %(business_date)s
    ORDER BY legs.started_at, legs.origin COLLATE "C", legs.record_id COLLATE "C"
) TO STDOUT (FORMAT csv)

-- Name:        export_files
-- Purpose:     files of a version of a day.
-- Parameters:  account_id, business_date, version.   Grain: dialect.   Locks: none.
SELECT
    account_id,
    business_date,
    version,
    dialect,
    path,
    sha256,
    content_sha256,
    bytes AS size,
    row_count AS rows,
    manifest
FROM export_files
WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND version = %(version)s
ORDER BY dialect

-- Name:        export_paths
-- Purpose:     paths of all daily files on record.
-- Parameters:  none.   Grain: account_id, business_date, version, dialect.   Locks: none.
SELECT path
FROM export_files
WHERE lost_at IS NULL
ORDER BY account_id, business_date, version, dialect

-- Name:        faulty_files
-- Purpose:     sealed files with a fault that are neither repaired nor recorded as lost.
-- Parameters:  none.   Grain: account_id, business_date, version, dialect.   Locks: none.
SELECT {columns}
FROM export_files AS files
INNER JOIN days ON days.account_id = files.account_id AND days.business_date = files.business_date
WHERE files.fault IS NOT NULL AND files.lost_at IS NULL
ORDER BY files.account_id, files.business_date, files.version, files.dialect

-- Name:        files_to_hash
-- Purpose:     announced files of sealed days, the longest unchecked first.
-- Parameters:  none.   Grain: account_id, business_date, version, dialect.   Locks: none.
SELECT {columns}
FROM export_files AS files
INNER JOIN days ON days.account_id = files.account_id AND days.business_date = files.business_date
WHERE
    files.manifest IS NOT NULL
    AND files.lost_at IS NULL
    AND (days.published_at IS NOT NULL OR files.version < days.version)
ORDER BY
    coalesce(files.hashed_at, files.written_at), files.account_id, files.business_date, files.version, files.dialect

-- Name:        has_links
-- Purpose:     whether any two records of an account are linked as one leg.
-- Parameters:  account_id.   Grain: one row.   Locks: none.
SELECT EXISTS (SELECT 1 FROM cdr_links WHERE account_id = %(account_id)s) AS linked

-- Name:        lost_files
-- Purpose:     sealed files recorded as lost, which a newer version replaces.
-- Parameters:  none.   Grain: account_id, business_date, version, dialect.   Locks: none.
SELECT {columns}
FROM export_files AS files
INNER JOIN days ON days.account_id = files.account_id AND days.business_date = files.business_date
WHERE files.lost_at IS NOT NULL AND files.manifest IS NOT NULL
ORDER BY files.account_id, files.business_date, files.version, files.dialect

-- Name:        open_files
-- Purpose:     files of open days, as recorded by their last export.
-- Parameters:  account_ids (array).   Grain: account_id, business_date, dialect.   Locks: none.
SELECT
    files.account_id,
    files.business_date,
    files.version,
    files.dialect,
    files.path,
    files.sha256,
    files.content_sha256,
    files.bytes AS size,
    files.row_count AS rows,
    files.manifest
FROM export_files AS files
INNER JOIN days
    ON
        days.account_id = files.account_id
        AND days.business_date = files.business_date
        AND days.version = files.version
WHERE files.account_id = any(%(account_ids)s) AND days.state = 'open'
ORDER BY files.account_id, files.business_date, files.dialect

-- Name:        published_files
-- Purpose:     daily files on record.
-- Parameters:  account_id, first_date, last_date.   Grain: business_date, version, dialect.   Locks: none.
SELECT
    business_date,
    version,
    dialect,
    path,
    sha256,
    bytes,
    row_count,
    written_at,
    manifest
FROM export_files
WHERE account_id = %(account_id)s AND business_date BETWEEN %(first_date)s AND %(last_date)s
ORDER BY business_date, version, dialect

-- Name:        record_export_file
-- Purpose:     record that a daily file is complete on disk, with the text of its manifest if the day is sealed.
-- Parameters:  as named.   Grain: account_id, business_date, version, dialect.   Locks: the row.   Idempotent: yes.
INSERT INTO export_files (
    account_id, business_date, version, dialect, path, sha256, content_sha256, bytes, row_count, manifest, written_at
) VALUES (
    %(account_id)s, %(business_date)s, %(version)s, %(dialect)s, %(path)s, %(sha256)s, %(content_sha256)s, %(bytes)s,
    %(rows)s, %(manifest)s, %(now)s
)
ON CONFLICT (account_id, business_date, version, dialect) DO UPDATE SET
    path = excluded.path,
    sha256 = excluded.sha256,
    content_sha256 = excluded.content_sha256,
    bytes = excluded.bytes,
    row_count = excluded.row_count,
    manifest = excluded.manifest,
    written_at = excluded.written_at
WHERE
    export_files.sha256 <> excluded.sha256
    OR export_files.path <> excluded.path
    OR export_files.manifest IS DISTINCT FROM excluded.manifest

-- Name:        record_file_fault
-- Purpose:     record the fault that a check found in a sealed file, and since when; null clears it.
-- Parameters:  account_id, business_date, version, dialect, fault, now.
-- Grain:       account_id, business_date, version, dialect.   Locks: the row.   Idempotent: yes.
UPDATE export_files SET
    fault = %(fault)s,
    fault_since = CASE WHEN %(fault)s::text IS NULL THEN NULL ELSE coalesce(fault_since, %(now)s) END
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND version = %(version)s
    AND dialect = %(dialect)s
    AND fault IS DISTINCT FROM %(fault)s

-- Name:        record_found_file
-- Purpose:     record that a file recorded as lost is back with the bytes that were sealed; checks cover it again.
-- Parameters:  account_id, business_date, version, dialect.
-- Grain:       account_id, business_date, version, dialect.   Locks: the row.   Idempotent: yes.
UPDATE export_files SET lost_at = NULL, fault = NULL, fault_since = NULL
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND version = %(version)s
    AND dialect = %(dialect)s
    AND lost_at IS NOT NULL

-- Name:        record_hashed_file
-- Purpose:     record when the hash of a sealed file was last compared.
-- Parameters:  account_id, business_date, version, dialect, now.
-- Grain:       account_id, business_date, version, dialect.   Locks: the row.   Idempotent: yes.
UPDATE export_files SET hashed_at = %(now)s
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND version = %(version)s
    AND dialect = %(dialect)s

-- Name:        record_lost_files
-- Purpose:     record the faulty files of a version as lost, after the day was restated to replace them.
-- Parameters:  account_id, business_date, version, now.   Grain: account_id, business_date, version, dialect.
-- Locks:       the rows.   Idempotent: yes.
UPDATE export_files SET lost_at = %(now)s
WHERE
    account_id = %(account_id)s
    AND business_date = %(business_date)s
    AND version = %(version)s
    AND fault IS NOT NULL
    AND lost_at IS NULL

-- Name:        sealed_files
-- Purpose:     announced files of sealed days with the result of the last check, grouped by folder.
-- Parameters:  none.   Grain: account_id, business_date, version, dialect.   Locks: none.
SELECT {columns}
FROM export_files AS files
INNER JOIN days ON days.account_id = files.account_id AND days.business_date = files.business_date
WHERE
    files.manifest IS NOT NULL
    AND files.lost_at IS NULL
    AND (days.published_at IS NOT NULL OR files.version < days.version)
ORDER BY files.account_id, files.business_date, files.version, files.dialect
