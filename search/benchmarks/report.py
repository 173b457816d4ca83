"""What was measured, for people: tables, and a plot in SVG."""

import math
import os
import platform
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from rich.console import Console
from rich.table import Table

_FIGURES = (
    "recall",
    "p50_ms",
    "p95_ms",
    "pgvector_recall",
    "pgvector_p50_ms",
    "lancedb_recall",
    "lancedb_p50_ms",
)
# Contestants of the plot: prefix of the figures, name, colour.
_CONTESTANTS = (
    ("", "Nearshelf", "#0b6e4f"),
    ("pgvector_", "pgvector, relaxed order", "#c46210"),
    ("lancedb_", "LanceDB", "#3a5ba0"),
)
WIDTH, HEIGHT, MARGIN = 860, 380, 56


def machine() -> str:
    """The processor and how many cores it has."""
    found = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        found = names[0] if names else found
    return f"{found}, {os.cpu_count()} cores"


def show(console: Console, measured: dict[str, Any]) -> None:
    """Print the tables."""
    console.print(
        f"{measured['products']:,} products, {measured['encoded']:,} texts encoded; {measured['machine']}",
        highlight=False,
    )
    if measured["semantic"]:
        console.print(_semantic(measured["semantic"]))
    for clients, endpoints in measured["http"].items():
        console.print(_http(clients.partition("_")[2], endpoints))
    if measured["stages"]:
        console.print(_stages(measured["stages"]))
    if figures := measured["search_log"]:
        waited = ", ".join(f"{name.removesuffix('_ms')} {value:.3f} ms" for name, value in figures.items())
        console.print(f"Logging a search adds {waited}.", highlight=False)


def _semantic(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Filtered vector search, top 20: recall against comparing every row, milliseconds")
    headings = ("Keeps", "Filter", "Query", "Recall", "p50", "p95", "pgvector", "p50", "LanceDB", "p50")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("Filter", "Query") else "right", no_wrap=True)
    for row in sorted(rows, key=lambda one: one["keeps"]):
        shown = [_figure(row[name], 3 if "recall" in name else 1) for name in _FIGURES]
        table.add_row(f"{row['keeps']:.1%}", row["filter"], "within" if row["correlated"] else "any", *shown)
    return table


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _http(clients: str, endpoints: dict[str, dict[str, float]]) -> Table:
    table = Table(
        title=f"Requests over HTTP, {clients} {'client' if clients == '1' else 'clients'}: milliseconds"
    )
    for heading in ("Endpoint", "p50", "p95", "Encode p50", "SQL p50", "Requests/s"):
        table.add_column(heading, justify="left" if heading == "Endpoint" else "right")
    for name, figures in endpoints.items():
        table.add_row(name, *(f"{value:.1f}" for value in figures.values()))
    return table


def _stages(kinds: dict[str, dict[str, dict[str, float]]]) -> Table:
    table = Table(title="Stages of a search: milliseconds")
    for heading in ("Search", "Stage", "p50", "p95"):
        table.add_column(heading, justify="left" if heading in ("Search", "Stage") else "right")
    for kind, stages in kinds.items():
        for stage, figures in stages.items():
            table.add_row(kind, stage, *(f"{value:.1f}" for value in figures.values()))
    return table


def plot(measured: dict[str, Any]) -> str:
    """Two panels as SVG: recall, and median latency, over the share that the filter keeps (logarithmic)."""
    rows = measured["semantic"]
    slowest = max(row[f"{prefix}p50_ms"] or 0 for row in rows for prefix, _, _ in _CONTESTANTS)
    title = f"Filtered vector search, {measured['products']:,} products, {measured['machine']}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(WIDTH / 2, 20, title, "middle"),
        *_panel(rows, MARGIN, "recall", "Recall of the nearest 20", 1.0, 0.2),
        *_panel(rows, WIDTH / 2 + MARGIN, "p50_ms", "Median milliseconds", slowest, _step(slowest)),
    ]
    for place, (_, name, colour) in enumerate(_CONTESTANTS):
        x = MARGIN + place * 200
        parts.append(f'<circle cx="{x}" cy="{HEIGHT - 10}" r="5" fill="{colour}" fill-opacity="0.7"/>')
        parts.append(_text(x + 10, HEIGHT - 6, name, "start"))
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    rows: list[dict[str, Any]], left: float, figure: str, title: str, top: float, step: float
) -> list[str]:
    """One panel: axes, and a circle for each filter and contestant (hollow: the query lies outside the filter)."""
    width, height = WIDTH / 2 - 1.5 * MARGIN, HEIGHT - 120
    bottom = 56 + height

    def y_of(value: float) -> float:
        return bottom - height * value / top

    def x_of(share: float) -> float:
        return left + width * (3 + math.log10(max(share, 0.0005))) / 3

    parts = [_text(left, 44, title, "start")]
    for tick in range(int(top / step + 1e-6) + 1):
        y = y_of(tick * step)
        parts.append(f'<line x1="{left}" x2="{left + width:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(_text(left - 6, y + 4, f"{tick * step:g}", "end"))
    shares = (0.001, 0.01, 0.1, 1.0)
    parts += [_text(x_of(share), bottom + 18, f"{share:.1%}", "middle") for share in shares]
    parts.append(
        _text(left + width / 2, bottom + 34, "Share of the catalogue that the filter keeps", "middle")
    )
    for prefix, _, colour in reversed(_CONTESTANTS):
        for row in rows:
            if (value := row[prefix + figure]) is None:
                continue
            hollow = row["filter"].startswith("category") and not row["correlated"]
            fill = "white" if hollow else colour
            parts.append(
                f'<circle cx="{x_of(row["keeps"]):.1f}" cy="{y_of(value):.1f}" r="4" fill="{fill}" '
                f'fill-opacity="0.7" stroke="{colour}"/>'
            )
    return parts


def _step(top: float) -> float:
    """A round distance between lines that makes four to ten of them."""
    power = 10 ** math.floor(math.log10(top))
    return next(power * part for part in (0.1, 0.2, 0.5, 1) if top / (power * part) <= 10)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
