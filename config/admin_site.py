"""The admin site."""

from django.contrib import admin


class AdminSite(admin.AdminSite):
    """Plain Django admin with the shop's name on it."""

    site_title = "Nearshelf"
    site_header = "Nearshelf"
    index_title = "Shop"
