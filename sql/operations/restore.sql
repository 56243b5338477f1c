-- Name:        ledger_items
-- Purpose:     items of the ledger that an older backup would lack, without personal data, in an order by which two
--              warehouses can be compared.
-- Parameters:  none.   Grain: kind, item.   Locks: none.
SELECT
    items.kind,
    items.item
FROM (
    SELECT
        'sealed or restated day' AS kind,
        concat_ws(' ', account_id, business_date, concat('version ', version), state) AS item
    FROM days
    WHERE state <> 'open'
    UNION ALL
    SELECT
        'sealed file',
        concat_ws(' ', path, concat('sha256 ', left(sha256, 12)))
    FROM export_files
    WHERE manifest IS NOT NULL
    UNION ALL
    SELECT
        'delivery',
        concat_ws(' ', path, 'to', target)
    FROM deliveries
    WHERE state = 'delivered'
    UNION ALL
    SELECT
        'break decision',
        concat_ws(' ', account_id, outcome_id, concat('decision ', decision_no), decision)
    FROM break_decisions
    UNION ALL
    SELECT
        'invoice',
        concat_ws(' ', account_id, carrier, number, concat('version ', version))
    FROM invoices
    UNION ALL
    SELECT
        'decision rule',
        concat_ws(' ', account_id, rule_id, CASE WHEN ended_at IS NULL THEN 'in force' ELSE 'ended' END)
    FROM decision_rules
    UNION ALL
    SELECT
        'note about a break',
        concat_ws(' ', account_id, outcome_id, concat('note ', note_no))
    FROM break_notes
    UNION ALL
    SELECT
        'credit note',
        concat_ws(' ', account_id, carrier, credit_note)
    FROM credit_notes
    UNION ALL
    SELECT
        'upload',
        concat_ws(' ', account_id, concat('sha256 ', left(sha256, 12)), 'profile', profile, state)
    FROM uploads
    UNION ALL
    SELECT
        'collected day',
        concat_ws(' ', account_id, business_date, count(*), 'windows')
    FROM windows
    WHERE state <> 'failed'
    GROUP BY account_id, business_date
    UNION ALL
    SELECT
        'reconciliation',
        concat_ws(' ', account_id, carrier, business_date, concat('version ', version))
    FROM reconciliations
    UNION ALL
    SELECT
        'account',
        concat_ws(' ', account_id, time_zone, CASE WHEN active THEN 'active' ELSE 'inactive' END)
    FROM accounts
    UNION ALL
    SELECT
        'API token',
        concat_ws(' ', account_id, token_id, CASE WHEN revoked_at IS NULL THEN 'issued' ELSE 'revoked' END)
    FROM api_tokens
    UNION ALL
    SELECT
        'erasure',
        concat_ws(' ', account_id, erasure_id, records, 'records')
    FROM erasures
    UNION ALL
    SELECT
        'retention policy',
        concat_ws(' ', account_id, keep_months, archive, mask_after_days)
    FROM retention_policies
    UNION ALL
    SELECT
        'removed month',
        concat_ws(' ', account_id, month)
    FROM removed_months
) AS items
ORDER BY items.kind COLLATE "C", items.item COLLATE "C"
