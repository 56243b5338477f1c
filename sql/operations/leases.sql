-- Name:        open_lease
-- Purpose:     record that a process runs a step; a later attempt of the step replaces the process.
-- Parameters:  run_id, step, process.   Grain: run_id, step.   Locks: the row.   Idempotent: yes.
INSERT INTO step_leases (run_id, step, process, started_at, renewed_at)
VALUES (%(run_id)s, %(step)s, %(process)s, clock_timestamp(), clock_timestamp())
ON CONFLICT (run_id, step) DO UPDATE SET
    process = excluded.process,
    started_at = excluded.started_at,
    renewed_at = excluded.renewed_at

-- Name:        renew_lease
-- Purpose:     record that a step is still running; changes no row if another process runs it now.
-- Parameters:  run_id, step, process.   Grain: run_id, step.   Locks: the row.   Idempotent: yes.
-- A lease that is missing, after a restore for example, or awaited, is opened again.
INSERT INTO step_leases (run_id, step, process, started_at, renewed_at)
VALUES (%(run_id)s, %(step)s, %(process)s, clock_timestamp(), clock_timestamp())
ON CONFLICT (run_id, step) DO UPDATE SET
    process = excluded.process,
    renewed_at = excluded.renewed_at
WHERE step_leases.process IN (excluded.process, '')

-- Name:        await_lease
-- Purpose:     enter a lease without a process, which expires unless a process renews it.
-- Parameters:  run_id, step.   Grain: run_id, step.   Locks: the row.   Idempotent: yes.
INSERT INTO step_leases (run_id, step, process, started_at, renewed_at)
VALUES (%(run_id)s, %(step)s, '', clock_timestamp(), clock_timestamp())
ON CONFLICT (run_id, step) DO NOTHING

-- Name:        close_lease
-- Purpose:     remove the lease of a step that has ended.
-- Parameters:  run_id, step, process.   Grain: run_id, step.   Locks: the row.   Idempotent: yes.
DELETE FROM step_leases
WHERE run_id = %(run_id)s AND step = %(step)s AND process = %(process)s

-- Name:        forget_leases
-- Purpose:     remove all leases of a run.
-- Parameters:  run_id.   Grain: any number of rows.   Locks: those rows.   Idempotent: yes.
DELETE FROM step_leases
WHERE run_id = %(run_id)s

-- Name:        live_lease
-- Purpose:     the process that runs a step, if it has renewed its lease lately.
-- Parameters:  run_id, step, seconds.   Grain: one row or none.   Locks: none.
SELECT process
FROM step_leases
WHERE run_id = %(run_id)s AND step = %(step)s AND renewed_at >= clock_timestamp() - make_interval(secs => %(seconds)s)

-- Name:        live_leases
-- Purpose:     steps that have renewed their lease lately.
-- Parameters:  seconds.   Grain: run_id, step.   Locks: none.
SELECT
    run_id,
    step
FROM step_leases
WHERE renewed_at >= clock_timestamp() - make_interval(secs => %(seconds)s)

-- Name:        leases_of_run
-- Purpose:     the steps of a run that have a lease, and their processes.
-- Parameters:  run_id.   Grain: step.   Locks: none.
SELECT
    step,
    process
FROM step_leases
WHERE run_id = %(run_id)s

-- Name:        expired_leases
-- Purpose:     steps that have not renewed their lease for some time, oldest first.
-- Parameters:  seconds.   Grain: run_id, step.   Locks: none.
-- After a restart of the warehouse, steps get the same time to renew their leases.
SELECT
    run_id,
    step,
    process,
    renewed_at
FROM step_leases
WHERE
    renewed_at < clock_timestamp() - make_interval(secs => %(seconds)s)
    AND pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => %(seconds)s)
ORDER BY renewed_at, run_id, step
