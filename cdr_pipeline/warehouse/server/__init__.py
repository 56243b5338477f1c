"""The PostgreSQL server: embedded server, connections, migrations, backup."""
