"""The PostgreSQL server: connections, migrations, backup."""
