from __future__ import annotations

from django.urls import include, path

from generation import again, operate, views

app_name = "generation"

# jobs/<uuid>/
job_urls = [
    path("", views.job, name="job"),
    path("fragment/", views.job_fragment, name="job-fragment"),
    path("preview/<int:number>/", views.job_preview, name="job-preview"),
    path("cancel/", views.cancel_job, name="cancel-job"),
    path("retry/", views.retry_job, name="retry-job"),
    path("front/", operate.move_to_front, name="move-to-front"),
]

urlpatterns = [
    path("", views.home, name="home"),
    path("generate/", views.template_list, name="template-list"),
    path("generate/<slug:slug>/", views.generate, name="generate"),
    path("remix/", again.upload, name="remix-upload"),
    path("remix/<uuid:pk>/", again.choose, name="remix"),
    path("remix/<uuid:pk>/run/", again.run_again, name="run-again"),
    path("jobs/", views.job_list, name="job-list"),
    path("jobs/cancel/", views.cancel_all, name="cancel-all"),
    path("jobs/<uuid:pk>/", include(job_urls)),
    path("servers/", operate.server_list, name="server-list"),
    path("servers/queue/", operate.change_queue, name="change-queue"),
    path("servers/<int:pk>/", operate.change_server, name="change-server"),
]
