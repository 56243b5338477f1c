"""The only code that speaks PostgreSQL: embedded server, connections, migrations, loading, reading, the ledger."""
