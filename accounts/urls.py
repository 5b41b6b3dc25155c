"""One's own pages below /accounts/, those of administrators below /people/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from accounts.views import groups, invitations, log, own, people

app_name = "people"

own_urls: list[URLPattern] = [
    path("security/", own.security, name="security"),
    path("second-factor/", own.second_factor, name="second-factor"),
    path("sessions/<int:pk>/end/", own.end_session, name="end-session"),
    path("export/", own.export, name="export"),
    path("export/<uuid:pk>/", own.export_file, name="export-file"),
    path("delete/", own.delete, name="delete"),
    path("gone/", own.gone, name="gone"),
]

# people/<id>/
person_urls: list[URLPattern] = [
    path("", people.person_page, name="person"),
    path("do/", people.do, name="do"),
    path("rights/", people.change_rights, name="change-rights"),
    path("limits/", people.change_limits, name="change-limits"),
    path("look/", people.look_as, name="look-as"),
]

staff_urls: list[URLPattern | URLResolver] = [
    path("", people.people_list, name="list"),
    path("<int:pk>/", include(person_urls)),
    path("look/end/", people.end_look, name="end-impersonation"),
    path("groups/", groups.group_list, name="groups"),
    path("groups/new/", groups.group_page, name="new-group"),
    path("groups/<int:pk>/", groups.group_page, name="group"),
    path("groups/<int:pk>/delete/", groups.delete_group, name="delete-group"),
    path("invitations/", invitations.invitation_list, name="invitations"),
    path("invitations/<int:pk>/revoke/", invitations.revoke, name="revoke"),
    path("audit/", log.audit_page, name="audit"),
    path("audit/export/", log.audit_export, name="audit-export"),
]

urlpatterns = [
    path("accounts/", include(own_urls)),
    path("people/", include(staff_urls)),
    path("join/<str:token>/", invitations.join, name="join"),
]
