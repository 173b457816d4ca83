"""Every address of the site."""

from django.contrib import admin
from django.urls import path

from search import storefront

urlpatterns = [
    path("", storefront.storefront, name="storefront"),
    path("products/<str:sku>/", storefront.product, name="product"),
    path("admin/", admin.site.urls),
]
