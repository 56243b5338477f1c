"""Hosts in SIP URIs (RFC 3261), and media addresses and ports in session descriptions (RFC 4566)."""

import polars as pl


def host(uri: pl.Expr) -> pl.Expr:
    """Host of a SIP URI or ``user@host`` text, lower case, without port and parameters; null when there is none."""
    return (
        uri.str.extract(r"(?i)^(?:[^<]*<)?(?:sips?:)?(?:[^@>]*@)?(\[[0-9a-f:.]+\]|[^:;>?\s@\[\]]+)", 1)
        .str.strip_chars("[]")
        .str.to_lowercase()
    )


def rtp_address(sdp: pl.Expr) -> pl.Expr:
    """Address of the first ``c=`` line of a session description; null when there is none."""
    return sdp.str.extract(r"(?:^|[\r\n])c=IN IP[46] ([0-9A-Fa-f:.]+)", 1)


def rtp_port(sdp: pl.Expr) -> pl.Expr:
    """Port of the first audio ``m=`` line of a session description; null when there is none or it is above 65535."""
    port = sdp.str.extract(r"(?:^|[\r\n])m=audio (\d{1,5})\b", 1).cast(pl.Int32)
    return pl.when(port.is_between(0, 65_535)).then(port)
