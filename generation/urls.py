from __future__ import annotations

from django.urls import include, path

from generation import views

app_name = "generation"

# jobs/<uuid>/
job_urls = [
    path("", views.job, name="job"),
    path("fragment/", views.job_fragment, name="job-fragment"),
    path("preview/<int:number>/", views.job_preview, name="job-preview"),
    path("cancel/", views.cancel_job, name="cancel-job"),
    path("retry/", views.retry_job, name="retry-job"),
]

urlpatterns = [
    path("", views.home, name="home"),
    path("generate/", views.template_list, name="template-list"),
    path("generate/<slug:slug>/", views.generate, name="generate"),
    path("jobs/", views.job_list, name="job-list"),
    path("jobs/<uuid:pk>/", include(job_urls)),
    path("servers/", views.server_list, name="server-list"),
]
