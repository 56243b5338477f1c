"""The field dictionary, and schemas and tables that are generated from it."""
