"""Helpers of the tests: servers, files, warehouses and checks that several tests use."""
