"""Bodies of requests and responses as Pydantic models: the schemas of the OpenAPI document.

The envelope module writes bodies. Every key is described here; tests compare responses with the models.
"""
