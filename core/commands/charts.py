"""Metrics as a picture: lines over time, bars over everything else. Needs the extra `charts`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.errors import UserError
from core.metrics import TIME
from core.sync.metrics.measure import Measured
from core.sync.metrics.period import Period

_FORMS = (".svg", ".png")
_MOST_BARS = 40


def draw(found: Sequence[Measured], period: Period, file: Path) -> None:
    """Writes one panel for each metric that has a value.

    Raises `UserError` where the file cannot be written or its ending is neither .svg nor .png, and where matplotlib is
    not installed.
    """
    if file.suffix not in _FORMS:
        raise UserError(f"{file.name} is neither an .svg nor a .png; name the chart so")
    try:
        import matplotlib
    except ImportError:
        raise UserError("charts need matplotlib; run `pip install 'ordersync[charts]'`") from None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    panels = dict.fromkeys(each.metric for each in found)
    values = {
        metric: [(one.key, float(one.value)) for one in found if one.metric is metric and one.value is not None]
        for metric in panels
    }
    values = {metric: points for metric, points in values.items() if points}
    if not values:
        raise UserError("there is nothing to draw: no metric has a value in these days")
    matplotlib.rcParams["svg.hashsalt"] = "ordersync"  # the same numbers are the same file
    figure = Figure(figsize=(10, 3 * len(values)), layout="constrained")
    canvas = FigureCanvasSVG(figure) if file.suffix == ".svg" else FigureCanvasAgg(figure)
    for at, (metric, points) in enumerate(values.items()):
        axes = figure.add_subplot(len(values), 1, at + 1)
        scale = 100 if metric.unit == "%" else 1
        shown = points if period.by in TIME else points[:_MOST_BARS]
        names, heights = [key or "all" for key, _ in shown], [value * scale for _, value in shown]
        if period.by in TIME:
            axes.plot(names, heights, marker="o")
        else:
            axes.bar(names, heights)
        axes.set_title(metric.title, loc="left")
        axes.set_ylabel(metric.unit)
        axes.set_ylim(bottom=0)
        axes.tick_params(axis="x", rotation=45)
    try:
        canvas.print_figure(file, metadata={"Date": None} if file.suffix == ".svg" else None)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}; name a file in a folder that can") from None
