"""Certificates of authorities that a place trusts."""

import ssl

from cdr_pipeline.sources.inbound.places import Place


def tls_context(place: Place) -> ssl.SSLContext:
    """A context that verifies host name and certificate; with ``ca_file``, against these authorities only."""
    return ssl.create_default_context(cafile=str(place.resolve(place.ca_file)) if place.ca_file else None)
