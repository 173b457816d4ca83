"""What a benchmark cannot go on without."""


class BenchmarkError(Exception):
    """The benchmark cannot run; the message says what to do."""
