"""What was measured, for people: tables, and a plot in SVG."""

import os
import platform
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def machine() -> str:
    """The processor and how many cores may be used."""
    found = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        found = names[0] if names else found
    return f"{found}, {len(os.sched_getaffinity(0))} cores"


def show(console: Console, measured: dict[str, Any]) -> None:
    """Print the tables."""
    console.print(
        f"{measured['products']:,} products, {measured['encoded']:,} texts encoded; {measured['machine']}"
    )
    console.print(_semantic(measured["semantic"]))
    for clients, endpoints in measured["http"].items():
        console.print(_http(clients.partition("_")[2], endpoints))


def _semantic(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Filtered vector search, top 20 (recall against comparing every row; milliseconds)")
    headings = ("Keeps", "Filter", "Query", "Recall", "p50", "p95", "pgvector", "p50", "LanceDB", "p50")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("Filter", "Query") else "right")
    for row in sorted(rows, key=lambda one: one["keeps"]):
        figures = [
            "recall",
            "p50_ms",
            "p95_ms",
            "pgvector_recall",
            "pgvector_p50_ms",
            "lancedb_recall",
            "lancedb_p50_ms",
        ]
        shown = [
            "–" if row[name] is None else f"{row[name]:.3f}" if "recall" in name else f"{row[name]:.1f}"
            for name in figures
        ]
        table.add_row(f"{row['keeps']:.1%}", row["filter"], "within" if row["correlated"] else "any", *shown)
    return table


def _http(clients: str, endpoints: dict[str, dict[str, float]]) -> Table:
    table = Table(title=f"Requests over HTTP, {clients} client(s) (milliseconds)")
    for heading in ("Endpoint", "p50", "p95", "Encode p50", "SQL p50", "Requests/s"):
        table.add_column(heading, justify="left" if heading == "Endpoint" else "right")
    for name, figures in endpoints.items():
        table.add_row(name, *(f"{value:.1f}" for value in figures.values()))
    return table


def plot(measured: dict[str, Any]) -> str:
    return ""
