import polars as pl
import pytest

from cdr_pipeline.core.normalize import sip

SDP = "v=0\r\no=FreeSWITCH 1 2 IN IP4 192.0.2.7\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 20718 RTP/AVP 0 8\r\n"


def _one(expression: pl.Expr) -> object:
    return pl.select(expression).item()


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("sip:1001@Example.COM", "example.com"),
        ("sips:user@pbx.example.net:5061;transport=tls", "pbx.example.net"),
        ("<sip:1001@192.0.2.1:5060>", "192.0.2.1"),
        ("user@realm.example", "realm.example"),
        ("sip:[2001:db8::1]:5060", "2001:db8::1"),
        (None, None),
    ],
)
def test_host_of_a_uri(uri: str | None, host: str | None) -> None:
    assert _one(sip.host(pl.lit(uri, pl.String))) == host


def test_media_address_and_port_come_from_the_session_description() -> None:
    assert _one(sip.rtp_address(pl.lit(SDP))) == "192.0.2.9"
    assert _one(sip.rtp_port(pl.lit(SDP))) == 20718


def test_a_port_that_cannot_be_is_none() -> None:
    assert _one(sip.rtp_port(pl.lit("m=audio 99999 RTP/AVP 0"))) is None


def test_no_description_no_address() -> None:
    assert _one(sip.rtp_address(pl.lit(None, pl.String))) is None
