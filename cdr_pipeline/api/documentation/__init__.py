"""Content of the OpenAPI document: parameters, response schemas, errors and examples for each group of routes."""
