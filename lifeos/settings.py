"""All settings, by environment. The names are documented in docs/settings.md."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from lifeos import env
from lifeos.lean import without

# Makes ModelAdmin[Image] and the like work outside the type checker, too.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
DATA = Path(env.text("LIFEOS_DATA", str(BASE_DIR / "var"))).resolve()
DATA.mkdir(parents=True, exist_ok=True)
VERSION = (BASE_DIR / "VERSION").read_text().strip()

DEBUG = env.boolean("DEBUG", False)
# Kept in the data folder when not given, so that sessions outlive a restart.
SECRET_KEY = env.text("SECRET_KEY") or env.secret_file(
    DATA / "secret_key", get_random_secret_key
)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

DATABASES = {"default": env.database(DATA)}
REDIS_URL = env.text("REDIS_URL")
COMFYUI_URLS = env.http_urls("COMFYUI_URL")
LIFEOS_SIGNUP = env.choice("LIFEOS_SIGNUP", ["closed", "invite", "open"], "closed")
LIFEOS_SIGNUP_APPROVAL = env.boolean("LIFEOS_SIGNUP_APPROVAL", True)
LIFEOS_STORAGE = env.choice("LIFEOS_STORAGE", ["local", "s3"], "local")

INSTALLED_APPS = [
    "lifeos.apps.LifeosConfig",
    "accounts",
    "gallery",
    "generation",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.usersessions",
    "lifeos.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "django_htmx",
    "huey.contrib.djhuey",
]
MIDDLEWARE = [
    "lifeos.logs.RequestIdMiddleware",
    "lifeos.health.ProbeMiddleware",
    "lifeos.metrics.http.MetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.middleware.HeadersMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.TrustedLoginMiddleware",
    "accounts.middleware.LastSeenMiddleware",
    "accounts.middleware.ImpersonationMiddleware",
    "accounts.rates.RateHeaders",
    "lifeos.away.AwayMiddleware",
]
ROOT_URLCONF = "lifeos.urls"
ASGI_APPLICATION = "lifeos.asgi.application"
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
                "accounts.signup.context",
            ],
            "builtins": [
                "accounts.templatetags.addresses",
                "accounts.templatetags.icons",
            ],
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = env.text("TZ", "UTC")
USE_TZ = True
# There is one language; looking for another is a tenth of a gallery page's time.
USE_I18N = False

# People --------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.signed_in.Backend"]
SESSION_ENGINE = "accounts.signed_in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = LIFEOS_EMAIL_VERIFICATION = env.choice(
    "LIFEOS_EMAIL_VERIFICATION", ["none", "optional", "mandatory"], "optional"
)
# Whether an address has an account here is told to nobody.
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Life-OS] "
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SIGNUP_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = True
# Beside allauth's own: tries of the passwords of shared links, by address.
ACCOUNT_RATE_LIMITS = {"share_password": "8/5m/ip"}
HEADLESS_ENABLED = True
HEADLESS_CLIENTS = ("app",)
HEADLESS_TOKEN_STRATEGY = "allauth.headless.tokens.strategies.jwt.JWTTokenStrategy"
# Without it a token would stay good after sign-out or deactivation.
HEADLESS_JWT_STATEFUL_VALIDATION_ENABLED = True
USERSESSIONS_ADAPTER = "accounts.adapter.SessionsAdapter"
USERSESSIONS_TRACK_ACTIVITY = False  # LastSeenMiddleware writes less often

MFA_ADAPTER = "accounts.adapter.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Life-OS"
MFA_TOTP_TOLERANCE = 1
# Without a mail server no address is ever proven; a second factor is worth more.
MFA_ALLOW_UNVERIFIED_EMAIL = LIFEOS_EMAIL_VERIFICATION != "mandatory"
LIFEOS_STAFF_2FA = env.boolean("LIFEOS_STAFF_2FA", False)

SOCIALACCOUNT_ADAPTER = "accounts.adapter.SocialAdapter"
SOCIAL_NAMES, SOCIALACCOUNT_PROVIDERS, SOCIAL_ORIGINS = env.social()
INSTALLED_APPS += [f"allauth.socialaccount.providers.{n}" for n in SOCIAL_NAMES]
# An account is taken over only by an address that is proven on both sides.
SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_STORE_TOKENS = False

# Proxies that sign people in; their own address counts, no header.
TRUSTED_PROXIES = env.networks("LIFEOS_TRUSTED_PROXIES")
LIFEOS_TRUSTED_LOGIN = env.choice(
    "LIFEOS_TRUSTED_LOGIN", ["off", "cloudflare", "tailscale"], "off"
)
LIFEOS_TRUSTED_LOGIN_CREATES = env.boolean("LIFEOS_TRUSTED_LOGIN_CREATES", False)
LIFEOS_CLOUDFLARE_TEAM = env.text("LIFEOS_CLOUDFLARE_TEAM")
LIFEOS_CLOUDFLARE_AUD = env.text("LIFEOS_CLOUDFLARE_AUD")
env.check_trusted_login(globals())
LIFEOS_SECRETS_KEYS = env.words("LIFEOS_SECRETS_KEY")


def _new_jwt_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


HEADLESS_JWT_PRIVATE_KEY = env.text("LIFEOS_JWT_KEY") or env.secret_file(
    DATA / "jwt_key.pem", _new_jwt_key
)

# The API: calls a minute of one key or person, by what they do; 0: no limit.
LIFEOS_API_READS_PER_MINUTE = env.integer("LIFEOS_API_READS_PER_MINUTE", 600)
LIFEOS_API_GENERATES_PER_MINUTE = env.integer("LIFEOS_API_GENERATES_PER_MINUTE", 60)
LIFEOS_API_CHANGES_PER_MINUTE = env.integer("LIFEOS_API_CHANGES_PER_MINUTE", 120)
# Where people reach it, for links in e-mails: https://life.example.org
LIFEOS_URL = next(iter(env.http_urls("LIFEOS_URL")), "")
# Networks and hosts that webhooks may call although they are not public.
LIFEOS_WEBHOOK_ALLOW = env.words("LIFEOS_WEBHOOK_ALLOW")

# Behind the browser: cache, events, tasks ----------------------------------------

CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "lifeos.cache.ForgivingRedisCache"}
    | {"LOCATION": REDIS_URL, "KEY_PREFIX": "lifeos"}
    if REDIS_URL
    else {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 5000},
    }
}
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        # The core layer forgets its groups when Redis restarts; this one does not.
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "lifeos"},
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}
_consumer = {
    "workers": 2,
    "worker_type": "thread",
    # On SQLite: how often an idle worker looks for a task.
    "initial_delay": 0.02,
    "max_delay": 0.05,
    # SIGTERM lets the tasks that run come to their end.
    "graceful_signal": "TERM",
    "shutdown_timeout": 15,
}
if not REDIS_URL:
    # It would load a client for each database that it knows: 18 MB.
    with without("psycopg", "redis"):
        import huey.storage  # noqa: F401
else:
    # It would load what can be sent of it, which nothing here asks for.
    with without("opentelemetry"):
        import redis  # noqa: F401
HUEY: dict[str, Any] = {
    "name": "lifeos",
    "immediate": False,
    "results": False,
    "consumer": _consumer,
} | (
    {"huey_class": "huey.PriorityRedisHuey", "connection": {"url": REDIS_URL}}
    if REDIS_URL
    # The rows are the truth: a task lost in a power cut is asked for again.
    else {
        "huey_class": "huey.SqliteHuey",
        "filename": str(DATA / "huey.sqlite3"),
        "fsync": False,
    }
)

# How long a web process that is told to stop waits for requests it has begun with.
LIFEOS_DRAIN_SECONDS = env.integer("LIFEOS_DRAIN_SECONDS", 30)

# Files ---------------------------------------------------------------------------

FILE_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
LIFEOS_MAX_UPLOAD_BYTES = env.integer("LIFEOS_MAX_UPLOAD_BYTES", 50 * 1024 * 1024)
LIFEOS_MAX_OUTPUT_BYTES = env.integer("LIFEOS_MAX_OUTPUT_BYTES", 512 * 1024 * 1024)
LIFEOS_MAX_OUTPUT_PIXELS = env.integer("LIFEOS_MAX_OUTPUT_PIXELS", 200_000_000)
# Behind nginx: an internal location whose alias is the folder of files.
LIFEOS_ACCEL_PREFIX = env.text("LIFEOS_ACCEL_PREFIX")
LIFEOS_ACCEL_ROOT = str(DATA / "files")
# Browsers fetch files from the bucket: then it must be reachable for them.
LIFEOS_S3_DIRECT = env.boolean(
    "LIFEOS_S3_DIRECT", bool(env.text("AWS_S3_CUSTOM_DOMAIN"))
)
# The least free space on a disk: below the first staff is warned, below the second
# nothing new is begun, so that what runs can be kept.
LIFEOS_DISK_WARN_BYTES = env.integer("LIFEOS_DISK_WARN_BYTES", 10 * 1024**3)
LIFEOS_DISK_STOP_BYTES = env.integer("LIFEOS_DISK_STOP_BYTES", 2 * 1024**3)
LIFEOS_TRASH_DAYS = env.integer("LIFEOS_TRASH_DAYS", 30)
LIFEOS_SPOOL = env.text("LIFEOS_SPOOL", str(DATA / "spool"))
# Other machines' output folders that are mounted here, by name.
LIFEOS_SHARED_FOLDERS = env.folders("LIFEOS_SHARED_FOLDERS")
# How often a file is looked for in a shared folder or bucket before HTTP is used.
LIFEOS_RETRIEVAL_TRIES = env.integer("LIFEOS_RETRIEVAL_TRIES", 5)
# Where the uploaders of GPU servers put outputs, if not in the bucket of our files.
LIFEOS_INTAKE_BUCKET = env.text("LIFEOS_INTAKE_BUCKET")
LIFEOS_SEARCH_SECONDS = env.integer("LIFEOS_SEARCH_SECONDS", 5)


def _s3() -> dict[str, Any] | None:
    """The bucket; there may be one to move files from, or to fetch outputs from."""
    bucket = env.text("AWS_STORAGE_BUCKET_NAME")
    names = ("AWS_STORAGE_BUCKET_NAME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    missing = [name for name in names if not env.text(name)]
    if missing and (bucket or LIFEOS_STORAGE == "s3"):
        why = "LIFEOS_STORAGE=s3" if LIFEOS_STORAGE == "s3" else "The bucket"
        raise ImproperlyConfigured(f"{why} needs {' and '.join(missing)}.")
    if missing:
        return None
    endpoint = env.text("AWS_S3_ENDPOINT_URL")
    return {
        "bucket_name": bucket,
        "endpoint_url": endpoint or None,
        "access_key": env.text("AWS_ACCESS_KEY_ID"),
        "secret_key": env.text("AWS_SECRET_ACCESS_KEY"),
        "region_name": env.text("AWS_S3_REGION_NAME")
        or ("auto" if endpoint else "us-east-1"),
        "custom_domain": env.text("AWS_S3_CUSTOM_DOMAIN") or None,
    }


S3_OPTIONS = _s3()


def _bucket_origins() -> list[str]:
    """Where pages are sent to for files by signed addresses (S3Home.origin)."""
    if S3_OPTIONS is None or not LIFEOS_S3_DIRECT:
        return []
    public, endpoint = S3_OPTIONS["custom_domain"], S3_OPTIONS["endpoint_url"]
    region = S3_OPTIONS["region_name"]
    url = public or endpoint or f"https://s3.{region}.amazonaws.com"
    parts = urlsplit(url if "://" in url else f"https://{url}")
    return [f"{parts.scheme}://{parts.netloc}"]


STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "gallery.storage.Homes",
        "OPTIONS": {
            "primary": LIFEOS_STORAGE,
            "location": str(DATA / "files"),
            "spool": LIFEOS_SPOOL,
            "s3": S3_OPTIONS,
            "mounts": LIFEOS_SHARED_FOLDERS,
        },
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG or "pytest" in sys.modules
        else "lifeos.static_files.HashedFiles"
    },
}
STATIC_URL = "/static/"
STATIC_ROOT = DATA / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]

# Security ------------------------------------------------------------------------

# Named, not guessed: behind a TLS proxy the operator says so, on a home network over
# plain HTTP secure cookies would lock everybody out.
LIFEOS_HTTPS = env.boolean("LIFEOS_HTTPS", False)
if LIFEOS_HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LIFEOS_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Browsers let go of passkeys only over https, and at localhost.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not LIFEOS_HTTPS
# Who may read /metrics: this machine and private networks, unless named.
LIFEOS_METRICS_NETWORKS = env.networks(
    "LIFEOS_METRICS_NETWORKS",
    "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7",
)
ALLAUTH_TRUSTED_PROXY_COUNT = env.integer("LIFEOS_PROXY_COUNT", 0)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:", *_bucket_origins()],
        "media-src": [SELF, "blob:", *_bucket_origins()],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "frame-src": [NONE],
        "manifest-src": [SELF],
        # A sign-in by another service is a form of ours that leads there.
        "form-action": [SELF, *SOCIAL_ORIGINS],
    },
}
for _key, _value in env.email().items():
    globals()[_key] = _value

# Logs, and whom else to tell -----------------------------------------------------

SENTRY_DSN = env.text("SENTRY_DSN")
SENTRY_ENVIRONMENT = env.text("SENTRY_ENVIRONMENT", "production")
SENTRY_TRACES = env.number("SENTRY_TRACES_SAMPLE_RATE", 0.0)
OTEL_ENDPOINT = env.text("OTEL_EXPORTER_OTLP_ENDPOINT")

LOG_FORMAT = env.choice("LIFEOS_LOG_FORMAT", ["text", "json"], "text")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"context": {"()": "lifeos.logs.ContextFilter"}},
    "formatters": {
        "json": {"()": "lifeos.logs.JsonFormatter"},
        "text": {"()": "lifeos.logs.TextFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["context"],
        }
    },
    "root": {"handlers": ["console"], "level": os.environ.get("LOG_LEVEL", "INFO")},
    "loggers": {
        "django": {"level": "INFO"},
        "daphne": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        # A handler of its own: otherwise run_huey adds a second one.
        "huey": {"level": "WARNING", "handlers": ["console"], "propagate": False},
        "websockets": {"level": "WARNING"},
        "aiohttp.access": {"level": "WARNING"},
    },
}
