"""Ids of searches: made here, handed out signed, and accepted back only as they were handed out."""

import base64
import binascii
import secrets
import time
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner

SALT = "search.analytics.search_id"
# Long enough for a purchase that is slept over.
MAX_AGE = timedelta(days=7)
MAX_LENGTH = 200


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then randomness."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76  # version
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)  # variant


def sign(search_id: UUID) -> str:
    """The id as visitors get it: itself, the time and an HMAC under SECRET_KEY, in letters that need no quoting."""
    return _signer().sign(base64.urlsafe_b64encode(search_id.bytes).rstrip(b"=").decode())


def unsign(text: str) -> UUID:
    """The id in a text that `sign` made. Raises ValueError for any other, and for one that has expired."""
    # What outlives its search would wait for it in vain.
    age = min(MAX_AGE, timedelta(days=settings.SEARCH_LOG_RETENTION_DAYS))
    try:
        value = _signer().unsign(text[:MAX_LENGTH], max_age=age)
        return UUID(bytes=base64.urlsafe_b64decode(value + "=="))
    except (BadSignature, binascii.Error, UnicodeError) as error:
        raise ValueError("not an id of a search, or an old one") from error


def _signer() -> TimestampSigner:
    return TimestampSigner(salt=SALT, sep=".")
