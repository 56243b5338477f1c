"""Plots are drawn to scale and hold no markup of their labels."""

import base64
import re
from datetime import date, timedelta
from xml.etree import ElementTree as ET

from cdr_pipeline.core.charts.plot import ChartSeries, columns_svg
from cdr_pipeline.steps.operations.night_page import trend_image

FLOOR = 176.0


def columns(svg: str) -> list[tuple[float, float]]:
    """Top and height of every coloured column."""
    drawn = ET.fromstring(svg)  # noqa: S314 - our own text
    return [
        (float(found["y"]), float(found["height"]))
        for found in (element.attrib for element in drawn.iter() if element.tag.endswith("rect"))
        if found.get("fill") != "#ffffff" and found.get("width") != "10"
    ]


def test_columns_are_as_high_as_their_values_and_stand_on_each_other() -> None:
    svg = columns_svg("rows", ["a", "b"], [ChartSeries("api", (10.0, 20.0)), ChartSeries("imported", (0.0, 20.0))])
    (_, ten), (top, twenty), (upper, also_twenty) = columns(svg)
    assert abs(twenty / ten - 2) < 0.01
    assert twenty == also_twenty
    assert abs(upper + also_twenty - top) < 0.11
    assert abs(top + twenty - FLOOR) < 0.11


def test_nothing_rises_above_the_scale_and_an_empty_plot_has_no_column() -> None:
    for highest in (0.4, 1.0, 3.0, 17.0, 999.0, 1_000_001.0):
        svg = columns_svg("rows", ["a"], [ChartSeries("api", (highest,))])
        assert min(top for top, _ in columns(svg)) >= 34
        scale = max(float(text.replace(",", "")) for text in re.findall(r'"end"[^>]*>([\d,.]+)<', svg))
        assert highest <= scale <= max(2, highest * 2.6)
    assert columns(columns_svg("rows", ["a", "b"], [ChartSeries("api", (0.0, 0.0))])) == []


def test_labels_are_escaped_and_thinned_out_when_there_are_many() -> None:
    svg = columns_svg("<b>&", [str(number) for number in range(100)], [ChartSeries("<script>", (1.0,) * 100)])
    assert "<script>" not in svg
    assert "<b>" not in svg
    assert len(re.findall(r'"middle"', svg)) <= 14


def test_a_missing_value_is_a_gap_and_a_zero_is_a_line() -> None:
    axis = columns_svg("rows", ["a"], [ChartSeries("api", (None,))])
    zero = columns_svg("rows", ["a"], [ChartSeries("api", (0.0,))])
    assert columns(axis) == []
    assert zero.count("<line") == axis.count("<line") + 1


def test_a_day_without_a_file_is_a_gap_in_the_trend() -> None:
    last = date(2026, 3, 7)
    svg = [
        base64.b64decode(trend_image(trend, last, days=2).rpartition(",")[2].rstrip(")")).decode()
        for trend in ({last: 5}, {last: 5, last - timedelta(days=1): 0})
    ]
    assert len(columns(svg[0])) == len(columns(svg[1])) == 1
    assert svg[1].count("<line") == svg[0].count("<line") + 1
