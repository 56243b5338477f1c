"""Access to PostgreSQL: embedded server, connections, migrations, loading, reading and the ledger.

No other package connects to the database. The SQL itself is in the topic folders under ``sql/``.
"""
