"""Dagster's pages link to the console when its address is known."""

from datetime import date

import dagster as dg
import pytest
from pydantic import ValidationError

from cdr_pipeline.defs.metadata import console_link, linked_account
from cdr_pipeline.settings import Settings

DAY = date(2026, 3, 2)


def test_accounts_and_reports_link_to_their_pages_of_the_console() -> None:
    settings = Settings(public_url="https://cdr.example/")
    assert linked_account("acct", "Bakery", DAY, settings) == "[Bakery](https://cdr.example/days/acct/2026-03-02)"
    link = console_link(settings, "/calendar?month=2026-03")["console"]
    assert isinstance(link, dg.UrlMetadataValue)
    assert link.url == "https://cdr.example/calendar?month=2026-03"


def test_without_an_address_there_is_no_link() -> None:
    assert linked_account("acct", "", DAY, Settings()) == "acct"
    assert console_link(Settings(), "/calendar") == {}


def test_an_address_that_is_no_web_origin_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be scheme and host"):
        Settings(public_url="cdr.example/path")
