"""Invoices of carriers."""
