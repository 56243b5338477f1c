-- Purpose:     what a person has decided about a break; earlier decisions stay.
-- Parameters:  account_id, outcome_id, decision, reason, decided_by, now.
-- Grain:       account_id, outcome_id, decision_no.   Locks: the row written; two at once for one break: the second
--              fails and can be tried again.   Idempotent: no.
INSERT INTO break_decisions (account_id, outcome_id, decision_no, decision, reason, decided_by, decided_at)
SELECT
    %(account_id)s,
    %(outcome_id)s,
    coalesce(max(decision_no), 0) + 1,
    %(decision)s,
    %(reason)s,
    %(decided_by)s,
    %(now)s
FROM break_decisions
WHERE account_id = %(account_id)s AND outcome_id = %(outcome_id)s
