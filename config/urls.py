"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from search.api import health, metrics
from search.storefront import views as storefront

urlpatterns = [
    path("", storefront.storefront, name="storefront"),
    path("products/<str:sku>/", storefront.product, name="product"),
    path("admin/", admin.site.urls),
    path("api/", include("search.api.urls")),
    path("favicon.ico", RedirectView.as_view(url="/static/storefront/favicon.svg")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]

handler400 = "search.api.problems.bad_request"
handler404 = "search.api.problems.not_found"
handler500 = "search.api.problems.server_error"
