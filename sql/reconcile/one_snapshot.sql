-- Purpose:     have all statements of a transaction read the same state: a load that ends between them is in none.
-- Parameters:  none.   Locks: none. On a cluster an account's records are on one node, whose snapshot this is.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY
