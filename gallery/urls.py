from __future__ import annotations

from django.urls import include, path

from gallery import (
    albums,
    comparing,
    file_views,
    marking,
    search_views,
    sharing,
    tag_pages,
    trash,
    viewing,
    views,
)

app_name = "gallery"

# gallery/<uuid>/
image_urls = [
    path("", viewing.image, name="image"),
    path("related/", viewing.related, name="image-related"),
    path("labels/", viewing.labels, name="image-labels"),
    path("notes/", viewing.notes, name="image-notes"),
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

# gallery/albums/<uuid>/
album_urls = [
    path("", albums.album, name="album"),
    path("edit/", albums.album_edit, name="album-edit"),
    path("cover/", albums.album_cover, name="album-cover"),
    path("move/", albums.album_move, name="album-move"),
    path("share/", albums.album_share, name="album-share"),
    path("share/<int:share>/end/", albums.album_unshare, name="album-unshare"),
    path("delete/", albums.album_delete, name="album-delete"),
]

# gallery/shares/
share_urls = [
    path("", sharing.share_list, name="shares"),
    path("new/", sharing.new_share, name="new-share"),
    path("<uuid:pk>/", sharing.change_share, name="change-share"),
    path("<uuid:pk>/revoke/", sharing.revoke_share, name="revoke-share"),
]

urlpatterns = [
    path("", views.image_list, name="image-list"),
    path("download/", file_views.download, name="download"),
    path("upload/", file_views.upload, name="upload"),
    path("facets/", search_views.facets, name="facets"),
    path("suggest/", search_views.suggest, name="suggest"),
    path("searches/", search_views.search_list, name="search-list"),
    path("searches/<uuid:pk>/", include(search_urls)),
    path("mark/", marking.mark, name="mark"),
    path("undo/", marking.undo, name="undo"),
    path("stacks/ids/", views.stack_ids, name="stack-ids"),
    path("stacks/<uuid:pk>/", views.stack, name="stack"),
    path("albums/", albums.albums, name="albums"),
    path("albums/<uuid:pk>/", include(album_urls)),
    path("tags/", tag_pages.tag_list, name="tags"),
    path("tags/<int:pk>/rename/", tag_pages.tag_rename, name="tag-rename"),
    path("tags/<int:pk>/delete/", tag_pages.tag_delete, name="tag-delete"),
    path("trash/", trash.trash, name="trash"),
    path("trash/<uuid:pk>/<slug:size>/", trash.thumbnail, name="trash-thumbnail"),
    path("trash/delete/", trash.delete, name="trash-delete"),
    path("compare/", comparing.compare, name="compare"),
    path("private/", viewing.mark_private, name="mark-private"),
    path("shares/", include(share_urls)),
    path("<uuid:pk>/", include(image_urls)),
]
