-- Purpose:     whether anything was ever erased in an account's records.   Parameters: account_id.   Locks: none.
SELECT EXISTS (SELECT FROM erased_records WHERE erased_records.account_id = %(account_id)s)
