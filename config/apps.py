"""The project's own touches on Django's applications."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    """Django's admin, under the shop's name."""

    default_site = "config.admin_site.AdminSite"


class ProjectConfig(AppConfig):
    """Carries the `serve` command."""

    name = "config"
