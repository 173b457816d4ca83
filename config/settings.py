"""Every setting of Nearshelf, read from the environment once.

The defaults run the whole shop on one machine; docs/operations.md says what production sets.
"""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from config.connections import WatchedConnection

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DATA_DIR = Path(env.str("NEARSHELF_DATA", default="") or BASE_DIR / "var").absolute()


def _secret_key() -> str:
    """Return SECRET_KEY, or the key kept in the data folder, made there on first use."""
    if key := env.str("SECRET_KEY", default=""):
        return key
    path = DATA_DIR / "secret_key"
    if not path.exists():
        DATA_DIR.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=DATA_DIR) as file:
            file.write(secrets.token_urlsafe(64))
            file.flush()
            # A link appears whole or not at all: of several processes that start at once, one key wins.
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_text()


DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "config.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    # OpClass(Cast(...)) in an index makes broken SQL without it.
    "django.contrib.postgres",
    "django.contrib.humanize",
    "pgtrigger",
    "django_filters",
    "django_rq",
    "django_prometheus",
    "import_export",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "catalog",
    "embeddings",
    "search",
    "config.apps.ProjectConfig",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "search.server_timing.ServerTimingMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "search.storefront.middleware.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- State -----------------------------------------------------------------------------------------------

# manage.py and wsgi.py start local servers and set these where the operator did not.
DATABASE_URL = env.str("DATABASE_URL", default="postgresql://localhost/nearshelf")
REDIS_URL = env.str("REDIS_URL", default="redis://localhost:6379/0")


def _database() -> dict[str, Any]:
    """Return Django's settings for DATABASE_URL, which may be any address that libpq understands."""
    try:
        parts = conninfo_to_dict(DATABASE_URL)
    except ProgrammingError as error:
        raise ImproperlyConfigured(
            "DATABASE_URL is not a PostgreSQL address such as postgresql://user:password@host:5432/name."
        ) from error
    database: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "nearshelf"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "CONN_HEALTH_CHECKS": True,
        # Client-side binding sends literals, so that `model_id = 1` meets the condition of a partial index.
        "OPTIONS": {**parts, "server_side_binding": False},
    }
    if env.bool("DATABASE_POOL", default=True):
        most = env.int("DATABASE_POOL_SIZE", default=16)
        database["OPTIONS"]["pool"] = {
            "min_size": min(2, most),  # a search may use two (search/side_by_side.py)
            "max_size": most,
            "timeout": 10,
            "connection_class": WatchedConnection,
        }
    else:
        database["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
    return database


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis is a bell and a cache: a short timeout keeps a black-holed one from holding up a save or a search.
REDIS_TIMEOUT_S = env.float("REDIS_TIMEOUT", default=0.2)

RQ_QUEUES = {
    "embeddings": {
        "URL": REDIS_URL,
        "DEFAULT_TIMEOUT": 600,
        # JSON, never pickle: whoever can write to Redis must not be able to run code here.
        "SERIALIZER": "rq.serializers.JSONSerializer",
    },
}
RQ_SHOW_ADMIN_LINK = True

# --- Catalogue and search --------------------------------------------------------------------------------

# PostgreSQL text search configuration of the catalogue's language; `SELECT cfgname FROM pg_ts_config`.
SEARCH_CONFIG = env.str("SEARCH_CONFIG", default="english")
DEFAULT_CURRENCY = env.str("DEFAULT_CURRENCY", default="EUR")

# convex | rrf: how the two legs of a hybrid search become one ranking.
SEARCH_FUSION = env.str("SEARCH_FUSION", default="convex")
# Share of meaning in a hybrid score, the rest is words; chosen by `tune_search`, see docs/relevance.md.
SEARCH_SEMANTIC_WEIGHT = env.float("SEARCH_SEMANTIC_WEIGHT", default=0.7)
# A hit stays if its score is at least this share of the best one's; 0 keeps the junk tail.
SEARCH_CUTOFF = env.float("SEARCH_CUTOFF", default=0.55)
# What is found by meaning alone needs this cosine similarity; depends on the embedding model.
SEARCH_SEMANTIC_FLOOR = env.float("SEARCH_SEMANTIC_FLOOR", default=0.25)
# How much the categories that most of the best candidates come from lift their products.
SEARCH_CATEGORY_WEIGHT = env.float("SEARCH_CATEGORY_WEIGHT", default=0.1)
# How many candidates the semantic leg brings; the keyword leg brings all up to the depth limit.
SEARCH_SEMANTIC_DEPTH = env.int("SEARCH_SEMANTIC_DEPTH", default=200)
# Filters that keep at most this many rows are answered by comparing all of them.
SEARCH_EXACT_ROWS = env.int("SEARCH_EXACT_ROWS", default=6_000)
SEARCH_EF_SEARCH = env.int("SEARCH_EF_SEARCH", default=200)
SEARCH_FILTERED_ROWS = env.int("SEARCH_FILTERED_ROWS", default=400)
SEARCH_MAX_SCAN_TUPLES = env.int("SEARCH_MAX_SCAN_TUPLES", default=20_000)
SEARCH_SCAN_MEM_MULTIPLIER = env.int("SEARCH_SCAN_MEM_MULTIPLIER", default=4)
# A cross-encoder (a folder or a name) that puts the best products into its own order; empty: none does.
SEARCH_RERANK_MODEL = env.str("SEARCH_RERANK_MODEL", default="")
SEARCH_RERANK_DEPTH = env.int("SEARCH_RERANK_DEPTH", default=30)
# A query waits this long for its products to be reranked, then they stay in the order of fusion.
SEARCH_RERANK_DEADLINE_S = env.float("SEARCH_RERANK_DEADLINE", default=1.0)
SEARCH_FACET_VALUES = env.int("SEARCH_FACET_VALUES", default=20)
# Searches that one process computes at a time, the others waiting in line for a moment; 0: as many as ask.
# gunicorn.conf.py gives each process its share of the cores.
SEARCHES_AT_ONCE = env.int("SEARCHES_AT_ONCE", default=0)
# A query waits this long for its vector, then it is answered from keywords.
SEARCH_ENCODE_DEADLINE_S = env.float("SEARCH_ENCODE_DEADLINE", default=1.0)
SEARCH_MODEL_RETRY_S = env.float("SEARCH_MODEL_RETRY", default=5.0)
# Query vectors kept in each process, and how long Redis keeps them for the others (0: not at all).
SEARCH_VECTOR_CACHE_SIZE = env.int("SEARCH_VECTOR_CACHE_SIZE", default=5_000)
SEARCH_SHARED_CACHE_S = env.int("SEARCH_SHARED_CACHE", default=86_400)
# Whether searches are written down for the analytics in the admin, which share of them (0 to 1), for how long.
SEARCH_PRICE_WORDS = env.bool("SEARCH_PRICE_WORDS", default=True)
SEARCH_LOG = env.bool("SEARCH_LOG", default=True)
SEARCH_LOG_SAMPLE = env.float("SEARCH_LOG_SAMPLE", default=1.0)
SEARCH_LOG_RETENTION_DAYS = env.int("SEARCH_LOG_RETENTION_DAYS", default=90)
# Name of the shop on its pages, and wishes that its start page offers to try, parted by commas.
SHOP_NAME = env.str("SHOP_NAME", default="Nearshelf")
STOREFRONT_EXAMPLES = env.list(
    "STOREFRONT_EXAMPLES",
    default=[
        "drill for concrete",
        "gift for someone who loves cooking",
        "better light for my desk",
        "sleep well while camping",
        "birthday present for a four year old",
    ],
)

# --- Embeddings ------------------------------------------------------------------------------------------

# auto | openvino | torch. `auto` takes OpenVINO on a CPU that has it, torch otherwise.
EMBEDDING_RUNTIME = env.str("EMBEDDING_RUNTIME", default="auto")
# auto | cpu | cuda | cuda:1 | mps
EMBEDDING_DEVICE = env.str("EMBEDDING_DEVICE", default="auto")
EMBEDDING_BATCH_SIZE = env.int("EMBEDDING_BATCH_SIZE", default=32)
EMBEDDING_THREADS = env.int("EMBEDDING_THREADS", default=0)  # 0: as many as the machine has cores
EMBEDDING_INDEX_MEMORY_MB = env.int("EMBEDDING_INDEX_MEMORY", default=512)
EMBEDDING_CLAIM_SIZE = env.int("EMBEDDING_CLAIM_SIZE", default=256)
EMBEDDING_LEASE_S = env.int("EMBEDDING_LEASE", default=120)
EMBEDDING_MAX_ATTEMPTS = env.int("EMBEDDING_MAX_ATTEMPTS", default=5)
EMBEDDING_RECONCILE_S = env.float("EMBEDDING_RECONCILE", default=1.0)
# Batches after which a worker process starts afresh, against slow leaks in native code; 0 never.
EMBEDDING_RECYCLE_BATCHES = env.int("EMBEDDING_RECYCLE_BATCHES", default=20_000)
# Days for which the figures behind the dashboard's charts are kept.
EMBEDDING_SAMPLE_DAYS = env.int("EMBEDDING_SAMPLE_DAYS", default=7)
# Where converted models are kept; derived, safe to delete.
MODEL_CACHE_DIR = Path(env.str("MODEL_CACHE_DIR", default="") or DATA_DIR / "models").absolute()

# --- HTTP ------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    # Basic first: its challenge makes the answer to a stranger 401.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "search.api.authentication.BasicAuthentication",
        "search.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["search.api.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["search.api.parsers.JSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["search.api.throttles.ClientThrottle"],
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "search.api.problems.exception_handler",
    # `format` is no parameter here: what is unknown is refused.
    "URL_FORMAT_OVERRIDE": None,
    # How many proxies stand before the shop: without it a client names its own address and escapes throttles.
    "NUM_PROXIES": env.int("NUM_PROXIES", default=0),
}

# Requests that one client may make, such as 300/min or 10/sec; empty for no limit.
SEARCH_THROTTLE_ANON = env.str("SEARCH_THROTTLE_ANON", default="300/min")
SEARCH_THROTTLE_USER = env.str("SEARCH_THROTTLE_USER", default="1200/min")
SEARCH_THROTTLE_BATCH = env.str("SEARCH_THROTTLE_BATCH", default="30/min")
SEARCH_THROTTLE_SUGGEST = env.str("SEARCH_THROTTLE_SUGGEST", default="1200/min")
SEARCH_THROTTLE_EVENTS = env.str("SEARCH_THROTTLE_EVENTS", default="600/min")

SPECTACULAR_SETTINGS = {
    "TITLE": "Nearshelf",
    "DESCRIPTION": "Search a shop's products by meaning and by words, and find products like another one.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/",
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
    "ENUM_NAME_OVERRIDES": {
        "ModeEnum": "search.query.Mode",
        "EmbeddingStatusEnum": "embeddings.models.Status",
    },
}

# Say in a Server-Timing header how long encoding and SQL took.
SERVER_TIMING = env.bool("SERVER_TIMING", default=False)

# Whoever sends this as a bearer token may read /metrics; staff always may.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
# Without a collectstatic step (make run), files are served from where they lie.
WHITENOISE_USE_FINDERS = env.bool("WHITENOISE_USE_FINDERS", default=not (STATIC_ROOT / "admin").exists())
STATIC_ROOT.mkdir(parents=True, exist_ok=True)

HTTPS = env.bool("HTTPS", default=False)
SECURE_SSL_REDIRECT = HTTPS
# Load balancers ask these over plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en")
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

IMPORT_EXPORT_USE_TRANSACTIONS = True
# A cell that starts with =, +, - or @ would run as a formula in the spreadsheet that opens the export.
IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="WARNING")},
    "loggers": {
        "nearshelf": {"level": env.str("LOG_LEVEL", default="INFO")},
        "rq": {"level": "WARNING"},
        # What clients ask wrongly is theirs to read, not ours.
        "django.request": {"level": "ERROR"},
    },
}
