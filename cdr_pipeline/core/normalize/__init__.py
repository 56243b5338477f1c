"""Rows as delivered to canonical rows: one module for each way of delivery."""
