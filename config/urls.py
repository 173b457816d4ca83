"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from search import health, metrics, storefront

urlpatterns = [
    path("", storefront.storefront, name="storefront"),
    path("products/<str:sku>/", storefront.product, name="product"),
    path("admin/", admin.site.urls),
    path("api/", include("search.urls")),
    path("favicon.ico", RedirectView.as_view(url="/static/storefront/favicon.svg")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]

handler400 = "search.problems.bad_request"
handler404 = "search.problems.not_found"
handler500 = "search.problems.server_error"
