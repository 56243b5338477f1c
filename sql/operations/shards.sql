-- Name:        rows_of_day
-- Purpose:     rows that the switch delivered for a day, by account; accounts without windows are left out.
-- Parameters:  account_ids (array), business_date.   Grain: account_id.   Locks: none.
SELECT
    account_id,
    coalesce(sum(rows_landed), 0)::bigint AS row_count
FROM windows
WHERE account_id = any(%(account_ids)s) AND business_date = %(business_date)s
GROUP BY account_id

-- Name:        forget_shards
-- Purpose:     remove the shards of a step of a run, and those of all runs that are older than an instant.
-- Parameters:  run_id, step, before.   Grain: any number of rows.   Locks: those rows.   Idempotent: yes.
DELETE FROM night_shards
WHERE (run_id = %(run_id)s AND step = %(step)s) OR created_at < %(before)s

-- Name:        insert_shard
-- Purpose:     store the accounts of a shard.
-- Parameters:  run_id, step, shard, account_ids (array), now.   Grain: run_id, step, shard.   Locks: the row.
-- Idempotent:  no; forget_shards comes first.
INSERT INTO night_shards (run_id, step, shard, account_ids, created_at)
VALUES (%(run_id)s, %(step)s, %(shard)s, %(account_ids)s, %(now)s)

-- Name:        shard_accounts
-- Purpose:     accounts of a shard.
-- Parameters:  run_id, step, shard.   Grain: one row.   Locks: none.
SELECT account_ids
FROM night_shards
WHERE run_id = %(run_id)s AND step = %(step)s AND shard = %(shard)s

-- Name:        record_shard
-- Purpose:     store the result of a shard; a later attempt replaces it.
-- Parameters:  run_id, step, shard, result.   Grain: run_id, step, shard.   Locks: the row.   Idempotent: yes.
UPDATE night_shards SET result = %(result)s
WHERE run_id = %(run_id)s AND step = %(step)s AND shard = %(shard)s

-- Name:        shard_results
-- Purpose:     results of all shards of a step; NULL for a shard that has none.
-- Parameters:  run_id, step.   Grain: shard.   Locks: none.
SELECT
    shard,
    account_ids,
    result
FROM night_shards
WHERE run_id = %(run_id)s AND step = %(step)s
ORDER BY shard
