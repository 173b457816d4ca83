"""Measures search on a made-up catalogue: what `manage.py benchmark_search` runs."""
