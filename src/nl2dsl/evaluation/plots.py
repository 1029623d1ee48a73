"""Small plots as inline SVG: intervals, differences, histograms, cumulative curves, bars.

In: numbers and the place of a run among the runs (its colour is a class, `c0` ... `c5`, so that a page decides on light and dark). Out: SVG as text; every word in it is
escaped, and every plot has a title that says it in words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from nl2dsl.evaluation.statistics import Figure

COLOURS = 6
_LINE = 14  # pixels of one interval


def intervals(found: Sequence[Figure], low: float, high: float, said: str, width: int = 240) -> str:
    """One line for each run: a dot and its interval between `low` and `high`."""
    height = _LINE * len(found) + 4
    parts = [_line("grid", _x(t, low, high, width), 0, _x(t, low, high, width), height) for t in ticks(low, high, 4)]
    for i, f in enumerate(found):
        if f.n:
            y = 2 + _LINE * (i + 0.5)
            left, right, dot = (_x(v, low, high, width) for v in (f.low, f.high, f.value))
            parts.append(
                f'<g class="c{i % COLOURS}">{_line("whisker", left, y, right, y)}<circle class="dot" cx="{dot:.1f}" cy="{y:.1f}" r="3.6"/></g>'
            )
    return _svg(width, height, said, parts)


def difference(low: float, value: float, high: float, reach: float, said: str, sure: bool, width: int = 200) -> str:
    """A difference and its interval around zero; `sure` when it is more than chance."""
    y, height = 9.0, 18
    left, right, dot = (_x(max(-reach, min(reach, v)), -reach, reach, width) for v in (low, high, value))
    kind = ("up" if value > 0 else "down") if sure else "unsure"
    mark = f'<g class="{kind}">{_line("whisker", left, y, right, y)}<circle class="dot" cx="{dot:.1f}" cy="{y}" r="3.6"/></g>'
    return _svg(width, height, said, [_line("zero", width / 2, 0, width / 2, height), mark])


def histogram(series: Sequence[Sequence[float]], said: str, bins: int = 10, width: int = 440, height: int = 200) -> str:
    """Shares of values between 0 and 1 in equal bins, the runs side by side; 1 itself has a bin of its own."""
    shares = [_shares(values, bins) for values in series]
    top = max((max(s) for s in shares), default=0.0) or 1.0
    left, bottom, slot = 34, height - 24, (width - 40) / (bins + 1)
    parts = [_tick_y(t, bottom, left, width, f"{100 * t:.0f} %", _y(t, top, bottom)) for t in ticks(0, top, 4)]
    bar = (slot - 4) / max(1, len(series))
    for run, values in enumerate(shares):
        for b, share in enumerate(values):
            if share:
                x, y = left + b * slot + 2 + run * bar, _y(share, top, bottom)
                parts.append(
                    f'<rect class="bar c{run % COLOURS}" x="{x:.1f}" y="{y:.1f}" width="{max(1.0, bar - 1):.1f}" height="{bottom - y:.1f}"/>'
                )
    for b in range(0, bins + 1, 2):
        parts.append(_text(left + (b + 0.5) * slot, bottom + 16, f"{b / bins:.1f}" if b < bins else "1", "middle"))
    return _svg(width, height, said, parts)


def _shares(values: Sequence[float], bins: int) -> list[float]:
    counts = [0] * (bins + 1)
    for v in values:
        counts[min(bins, math.floor(v * bins + 1e-9))] += 1
    return [c / len(values) if values else 0.0 for c in counts]


def cumulative(series: Sequence[Sequence[float]], said: str, width: int = 440, height: int = 200) -> str:
    """Share of answers that took at most so long, on a logarithmic axis of seconds."""
    positive = [sorted(v for v in values if v > 0) for values in series]
    every = [v for values in positive for v in values]
    if not every:
        return ""
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    high = high if high > low else low + 1
    left, bottom = 34, height - 24

    def x(seconds: float) -> float:
        return left + (math.log10(seconds) - low) / (high - low) * (width - left - 12)

    parts = [_tick_y(t, bottom, left, width, f"{100 * t:.0f} %", _y(t, 1.0, bottom)) for t in (0.1, 0.5, 0.9)]
    for power in range(low, high + 1):
        parts.append(_line("grid", x(10.0**power), 8, x(10.0**power), bottom) + _text(x(10.0**power), bottom + 16, _duration(10.0**power), "middle"))
    for run, values in enumerate(positive):
        points = " ".join(f"{x(v):.1f},{_y((i + 1) / len(values), 1.0, bottom):.1f}" for i, v in enumerate(values))
        parts.append(f'<polyline class="curve c{run % COLOURS}" points="{points}"/>')
    return _svg(width, height, said, parts)


def _duration(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{1000 * seconds:g} ms"


def bars(values: Sequence[float], top: float, said: str, width: int = 220) -> str:
    """One bar for each run."""
    height = 10 * len(values) + 4
    parts = [
        f'<rect class="bar c{i % COLOURS}" x="0" y="{2 + 10 * i}" width="{max(0.0, v / top * width) if top else 0:.1f}" height="8" rx="2"/>'
        for i, v in enumerate(values)
    ]
    return _svg(width, height, said, parts)


def ticks(low: float, high: float, n: int) -> list[float]:
    """At most n + 1 round numbers between two."""
    raw = (high - low) / n
    if raw <= 0:
        return [low]
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * k for k in (1, 2, 2.5, 5, 10) if size * k >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _x(value: float, low: float, high: float, width: int) -> float:
    return 5 + (value - low) / (high - low) * (width - 10) if high > low else width / 2


def _y(share: float, top: float, bottom: float) -> float:
    return bottom - share / top * (bottom - 8)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _tick_y(value: float, bottom: float, left: float, width: float, label: str, y: float) -> str:
    return _line("grid", left, y, width - 6, y) + _text(left - 5, y + 3.5, label, "end")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: int, height: float, said: str, parts: Sequence[str]) -> str:
    return f'<svg role="img" width="{width}" height="{height:g}" viewBox="0 0 {width} {height:g}"><title>{escape(said)}</title>{"".join(parts)}</svg>'
