"""Invoices of carriers, compared with their records, our legs at the agreed prices, and decisions."""
