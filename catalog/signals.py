"""What the catalogue tells whoever listens."""

from django.dispatch import Signal

# Sent after commit when products were written in bulk, which sends no post_save: sender=Product, count=int.
products_changed = Signal()
