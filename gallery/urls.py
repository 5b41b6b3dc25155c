from __future__ import annotations

from django.urls import include, path

from gallery import file_views, search_views, views

app_name = "gallery"

# gallery/<uuid>/
image_urls = [
    path("", views.image, name="image"),
    path("file/", file_views.image_file, name="image-file"),
    path("thumbnail/<slug:size>/", file_views.image_thumbnail, name="image-thumbnail"),
    path("workflow/", views.image_workflow, name="image-workflow"),
    path("delete/", views.delete_image, name="delete-image"),
]

# gallery/searches/<uuid>/
search_urls = [
    path("", search_views.edit_search, name="edit-search"),
    path("delete/", search_views.delete_search, name="delete-search"),
]

urlpatterns = [
    path("", views.image_list, name="image-list"),
    path("download/", file_views.download, name="download"),
    path("upload/", file_views.upload, name="upload"),
    path("facets/", search_views.facets, name="facets"),
    path("suggest/", search_views.suggest, name="suggest"),
    path("searches/", search_views.search_list, name="search-list"),
    path("searches/<uuid:pk>/", include(search_urls)),
    path("<uuid:pk>/", include(image_urls)),
]
