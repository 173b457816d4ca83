"""Addresses of the API."""

from django.urls import path
from drf_spectacular.views import SpectacularSwaggerView

from search.api import views
from search.api.schema import SchemaView

app_name = "api"

urlpatterns = [
    path("search/", views.SearchView.as_view(), name="search"),
    path("search/batch/", views.BatchView.as_view(), name="batch"),
    path("events/", views.EventsView.as_view(), name="events"),
    path("suggest/", views.SuggestView.as_view(), name="suggest"),
    path("similar/", views.SeedsView.as_view(), name="seeds"),
    path("products/", views.ProductListView.as_view(), name="products"),
    path("products/<str:sku>/", views.ProductDetailView.as_view(), name="product"),
    path("products/<str:sku>/similar/", views.SimilarView.as_view(), name="similar"),
    path("categories/", views.CategoriesView.as_view(), name="categories"),
    path("embeddings/status/", views.EmbeddingStatusView.as_view(), name="embedding-status"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="api:schema"), name="docs"),
]
