"""JSON in, by orjson."""

from typing import Any

import orjson
from django.http import HttpRequest
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser


class JSONParser(BaseParser):
    """Strict JSON: no NaN and no halves of characters; bodies up to DATA_UPLOAD_MAX_MEMORY_SIZE.

    DRF's own reads a body of any size.
    """

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the body's value. Raises ParseError, and RequestDataTooBig for a body over the limit."""
        body = stream.body if isinstance(stream, HttpRequest) else stream.read()
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: {error}.") from error


class BeaconParser(JSONParser):
    """The same JSON under the media type that `navigator.sendBeacon` gives to a text.

    For addresses that read no session only: a page elsewhere can send this without being asked first.
    """

    media_type = "text/plain"
