-- Name:        add_partition
-- Purpose:     create the table that becomes the partition of a month.
-- Parameters:  table, partition: names, the first one of cdr and cdr_history.
-- Locks:       none that a reader or writer of the parent would wait for.   Idempotent: yes.
CREATE TABLE IF NOT EXISTS {partition} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)

-- Name:        add_partition_key
-- Purpose:     build the primary key of a table that becomes a partition; it has the columns of the parent's key, so
--              that the partition keeps it.
-- Parameters:  partition: name of the table.
-- Locks:       ACCESS EXCLUSIVE on a table that no other session sees yet.   Idempotent: no.
ALTER TABLE {partition} ADD PRIMARY KEY (record_id, account_id, origin, business_date)

-- Name:        analyze_partition
-- Purpose:     give a table that a batch has filled its first statistics, those of its indexes' expressions included.
-- Parameters:  partition: name of the table.
-- Locks:       SHARE UPDATE EXCLUSIVE on a table that no other session sees yet.   Idempotent: yes.
ANALYZE {partition}

-- Name:        attach_partition
-- Purpose:     attach a table as the partition of a month; it gets the parent's key and indexes.
-- Parameters:  table, partition: names; first_day, end_day: the month's first day and the next one's.
-- Locks:       SHARE UPDATE EXCLUSIVE on the parent: loads and readers go on. CREATE TABLE ... PARTITION OF would
--              take ACCESS EXCLUSIVE, and two loads that have read the parent already would deadlock over it.
-- Idempotent:  no; the caller holds the lock on partitions and has seen that it is missing.
ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({first_day}) TO ({end_day})

-- Name:        holds_partitions
-- Purpose:     whether this transaction holds the lock of lock_partitions.
-- Parameters:  none.   Grain: one row.   Locks: none.
SELECT EXISTS (
    SELECT 1
    FROM pg_locks
    WHERE
        locktype = 'advisory'
        AND pid = pg_backend_pid()
        AND granted
        AND classid::bigint << 32 | objid::bigint = 7230114226002
        AND mode = 'ExclusiveLock'
) AS found

-- Name:        lock_partitions
-- Purpose:     allow one process at a time to add partitions; the others then see the new partitions.
-- Parameters:  none.   Locks: advisory, until the end of the transaction; on the coordinator of a cluster.
SELECT pg_advisory_xact_lock(7230114226002)

-- Name:        missing_months
-- Purpose:     months of a batch whose partitions are missing. Reads the catalogue tables, because to_regclass uses a
--              session cache and may not see what another session has just committed.
-- Parameters:  months (array of first days).   Grain: month.   Locks: none.
SELECT wanted.month
FROM unnest(%(months)s::date []) AS wanted (month)
WHERE
    NOT EXISTS (
        SELECT 1
        FROM pg_inherits
        INNER JOIN pg_class ON pg_class.oid = pg_inherits.inhrelid
        WHERE
            pg_inherits.inhparent = 'cdr'::regclass
            AND pg_class.relname = 'cdr_y' || to_char(wanted.month, 'YYYY"m"MM')
    )
ORDER BY wanted.month

-- Name:        move_records
-- Purpose:     copy the records of a table that was filled for a month which another load has created meanwhile.
-- Parameters:  partition: name of the table; columns all columns of cdr.   Grain: account_id, origin, record_id.
-- Locks:       the rows written.   Idempotent: no; the table is dropped afterwards.
INSERT INTO cdr ({columns})
SELECT {columns}
FROM {partition}

-- Name:        rename_partition
-- Purpose:     give a table that was filled for a new month the name of the month's partition.
-- Parameters:  partition, new_name: names; the caller holds the lock on partitions.
-- Locks:       ACCESS EXCLUSIVE on a table that no other session sees yet.   Idempotent: no.
ALTER TABLE {partition} RENAME TO {new_name}

-- Name:        unanalyzed_tables
-- Purpose:     tables of records and links that have rows and were never analyzed. Without statistics the planner expects
--              one record a day and joins a day's records row by row with their links: 400 records take 8 s, not 4 ms.
-- Parameters:  none.   Grain: table.   Locks: none.
SELECT relations.relname AS name
FROM pg_class AS relations
LEFT JOIN pg_inherits ON pg_inherits.inhrelid = relations.oid
WHERE
    relations.relkind = 'r'
    AND relations.reltuples < 0
    AND (pg_inherits.inhparent = 'cdr'::regclass OR relations.oid = 'cdr_links'::regclass)
    AND pg_relation_size(relations.oid) > 0
ORDER BY relations.relname
