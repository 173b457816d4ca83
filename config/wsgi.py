"""The WSGI application, for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

from config import embedded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
embedded.start()
application = get_wsgi_application()

from search.api import warmup  # noqa: E402 - Django must be set up before its applications are imported

warmup.start()
