"""What can go wrong before Django runs."""

OWN_SERVERS = (
    "set DATABASE_URL (PostgreSQL 16 or newer with pgvector) and REDIS_URL to use servers of your own"
)


class EmbeddedServerError(Exception):
    """A local PostgreSQL or Valkey cannot be used; the message says why and what to do."""
