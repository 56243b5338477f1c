"""Small stacked column charts as SVG text, with a scale, a legend and labels. Needs no drawing library."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 640
_HEIGHT: Final = 200
_LEFT: Final = 56
_TOP: Final = 34
_BOTTOM: Final = 24
_COLOURS: Final = ("#2f6fb2", "#e08a1e", "#4c9a52", "#8a5aa8")
_ZERO: Final = "#666666"
_MOST_LABELS: Final = 14


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """One series of columns.

    Attributes:
        name: name in the legend.
        values: height for every label, in the unit of the chart; None for a label without a value.
    """

    name: str
    values: tuple[float | None, ...]


def _english(value: float) -> str:
    return f"{value:,.10g}"


def columns_svg(
    title: str, labels: Sequence[str], series: Sequence[ChartSeries], written: Callable[[float], str] = _english
) -> str:
    """Stacked columns of one or more series, one column for each label.

    Args:
        title: title of the chart, with the unit.
        labels: labels below the columns. When there are many, only some are shown.
        series: at least one series; each has one value for each label, and no value is negative. A label without a
            value has a gap; a zero is a line on the axis.
        written: writes a number of the scale.
    """
    heights = [sum(item.values[index] or 0.0 for item in series) for index in range(len(labels))]
    top = _scale_top(max(heights, default=0))
    parts = [_head(title), *_scale(top, written), *_legend(series)]
    step = (_WIDTH - _LEFT - 8) / max(1, len(labels))
    every = -(-len(labels) // _MOST_LABELS)
    for index, label in enumerate(labels):
        left = _LEFT + index * step
        floor = _HEIGHT - _BOTTOM
        for number, item in enumerate(series):
            height = (item.values[index] or 0.0) / top * (_HEIGHT - _TOP - _BOTTOM)
            floor -= height
            if height:
                parts.append(
                    f'<rect x="{left + step * 0.1:.1f}" y="{floor:.1f}" width="{step * 0.8:.1f}"'
                    f' height="{height:.1f}" fill="{_COLOURS[number % len(_COLOURS)]}"/>'
                )
        if not heights[index] and any(item.values[index] is not None for item in series):
            parts.append(_zero(left + step * 0.1, step * 0.8))
        if index % every == 0:
            parts.append(_text(left + step / 2, _HEIGHT - 8, label, anchor="middle"))
    return "".join([*parts, "</svg>"])


def _head(title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}"'
        f' viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" font-family="sans-serif" font-size="11">'
        f"<title>{escape(title)}</title>"
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>' + _text(8, 16, title, size=13)
    )


def _scale(top: float, written: Callable[[float], str]) -> list[str]:
    parts: list[str] = []
    for share in (0.0, 0.5, 1.0):
        height = _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)
        parts += [
            f'<line x1="{_LEFT}" y1="{height:.1f}" x2="{_WIDTH - 8}" y2="{height:.1f}" stroke="#cccccc"/>',
            _text(_LEFT - 6, height + 4, written(top * share), anchor="end"),
        ]
    return parts


def _legend(series: Sequence[ChartSeries]) -> list[str]:
    parts: list[str] = []
    right = _WIDTH - 8.0
    for number, item in reversed(list(enumerate(series))):
        right -= 7.0 * len(item.name) + 20
        parts += [
            f'<rect x="{right:.0f}" y="7" width="10" height="10" fill="{_COLOURS[number % len(_COLOURS)]}"/>',
            _text(right + 14, 16, item.name),
        ]
    return parts


def _zero(left: float, width: float) -> str:
    """Line on the axis that distinguishes a zero from a missing value."""
    floor = _HEIGHT - _BOTTOM
    return (
        f'<line x1="{left:.1f}" y1="{floor}" x2="{left + width:.1f}" y2="{floor}" stroke="{_ZERO}" stroke-width="3"/>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 11) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="#333333">{escape(text)}</text>'
    )


def _scale_top(highest: float) -> float:
    """The smallest number of 2, 4, 10, 20, 40, 100 ... that is at least ``highest``."""
    top = 2.0
    for factor in (2.0, 2.5, 2.0) * 20:
        if top >= highest:
            break
        top *= factor
    return top
