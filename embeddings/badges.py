"""How a status looks to people: words, an icon and a colour, never colour alone."""

from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from embeddings.querysets import Status


@dataclass(frozen=True)
class Look:
    """One status for people."""

    icon: str
    label: str
    meaning: str
    settled: bool  # nothing will change by itself


LOOKS: dict[str, Look] = {
    Status.READY: Look("✓", "Ready", "Found by meaning and by words.", True),
    Status.STALE: Look("↻", "Stale", "Found by its earlier text until the new one is embedded.", False),
    Status.PENDING: Look("…", "Pending", "Found by words only until it is embedded.", False),
    Status.PROCESSING: Look("⚙", "Processing", "Being embedded now.", False),
    Status.FAILED: Look(
        "✕",
        "Failed",
        "Could not be embedded: found by words, and by its earlier text where there was one.",
        True,
    ),
    Status.INACTIVE: Look("–", "Inactive", "Not shown to customers, so not embedded.", True),
}


def badge(product_id: int, status: str) -> SafeString:
    """HTML of a product's badge; the page's script keeps it up to date until it is settled."""
    look = LOOKS[status]
    return format_html(
        '<span class="embedding-badge embedding-badge--{}" data-product="{}" data-settled="{}" title="{}">'
        '<span aria-hidden="true">{}</span> {}</span>',
        status,
        product_id,
        "true" if look.settled else "false",
        look.meaning,
        look.icon,
        look.label,
    )
