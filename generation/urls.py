from __future__ import annotations

from django.urls import include, path

from generation import (
    again,
    editor,
    filling,
    operate,
    status_page,
    template_pages,
    usage_page,
    views,
)
from generation.hooks import pages

app_name = "generation"

# accounts/webhooks/
webhook_urls = [
    path("", pages.webhook_list, name="webhooks"),
    path("callback-secret/", pages.rotate_callback, name="rotate-callback"),
    path("calls/", pages.delivery_list, name="deliveries"),
    path("calls/<uuid:pk>/again/", pages.redeliver, name="redeliver"),
    path("<int:pk>/secret/", pages.rotate, name="rotate-webhook"),
    path("<int:pk>/switch/", pages.switch, name="switch-webhook"),
    path("<int:pk>/test/", pages.test, name="test-webhook"),
    path("<int:pk>/delete/", pages.delete, name="delete-webhook"),
]

# jobs/<uuid>/
job_urls = [
    path("", views.job, name="job"),
    path("fragment/", views.job_fragment, name="job-fragment"),
    path("preview/<int:number>/", views.job_preview, name="job-preview"),
    path("cancel/", views.cancel_job, name="cancel-job"),
    path("retry/", views.retry_job, name="retry-job"),
    path("front/", operate.move_to_front, name="move-to-front"),
]

# templates/<slug>/, for administrators
template_urls = [
    path("", template_pages.template, name="template"),
    path("form/", editor.edit_form, name="edit-form"),
    path("form/preview/", editor.preview, name="preview-form"),
    path("form/inputs/", editor.inputs, name="form-inputs"),
    path("form/test/", editor.test_run, name="test-run"),
    path("versions/<int:number>/publish/", template_pages.publish, name="publish"),
    path("compare/", template_pages.compare, name="compare-versions"),
    path("workflow/", template_pages.replace_workflow, name="replace-workflow"),
    path("withdraw/", template_pages.withdraw, name="withdraw"),
    path("duplicate/", template_pages.duplicate, name="duplicate"),
    path("export/", template_pages.export, name="export"),
]

# generate/<slug>/
form_urls = [
    path("", views.generate, name="generate"),
    path("cost/", filling.cost, name="cost"),
    path("recent/<slug:name>/", filling.recent_texts, name="recent-texts"),
    path("presets/", filling.preset_list, name="preset-list"),
    path("presets/save/", filling.save_preset, name="save-preset"),
    path("presets/<int:pk>/", filling.change_preset, name="change-preset"),
    path("presets/<int:pk>/delete/", filling.delete_preset, name="delete-preset"),
]

urlpatterns = [
    path("", views.home, name="home"),
    path("generate/", views.template_list, name="template-list"),
    path("generate/<slug:slug>/", include(form_urls)),
    path("inputs/pictures/", filling.own_pictures, name="own-pictures"),
    path("inputs/<str:name>/", filling.input_file, name="input-file"),
    path("words/", filling.word_lists, name="word-lists"),
    path("words/<int:pk>/delete/", filling.delete_word_list, name="delete-word-list"),
    path("remix/", again.upload, name="remix-upload"),
    path("s/<slug:token>/<uuid:pk>/remix/", again.remix_shared, name="remix-shared"),
    path("remix/<uuid:pk>/", again.choose, name="remix"),
    path("remix/<uuid:pk>/input/", again.use_as_input, name="use-as-input"),
    path("remix/<uuid:pk>/run/", again.run_again, name="run-again"),
    path("generate/<slug:slug>/cover/<slug:tag>/", template_pages.cover, name="cover"),
    path("templates/", template_pages.manage, name="manage"),
    # Two words: no slug of a template has a slash in it.
    path("templates/import/files/", template_pages.import_files, name="import-files"),
    path("templates/<slug:slug>/", include(template_urls)),
    path("accounts/webhooks/", include(webhook_urls)),
    path("jobs/", views.job_list, name="job-list"),
    path("jobs/cancel/", views.cancel_all, name="cancel-all"),
    path("jobs/<uuid:pk>/", include(job_urls)),
    path("usage/", usage_page.page, name="usage"),
    path("status/", status_page.page, name="status"),
    path("servers/", operate.server_list, name="server-list"),
    path("servers/queue/", operate.change_queue, name="change-queue"),
    path("servers/<int:pk>/", operate.change_server, name="change-server"),
]
