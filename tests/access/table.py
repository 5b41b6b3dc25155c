"""Who may do what: one row for every address, and for every operation of the API.

A new page needs a row in PAGES under its pattern, as the resolver spells it; a new API
operation one in OPERATIONS under "METHOD /path", as OpenAPI spells it. Without it the
suite fails. What a row does not list, the page must refuse with 405.

`args` fills the address and `data` the form or body, by what world.py makes: `@job` is
the owner's job's id, whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PEOPLE = ("anonymous", "stranger", "member", "owner", "staff", "admin")
KEYS = ("revoked", "read", "generate", "manage")
LOGIN = "sign-in"  # 302 to the sign-in page


def page(anonymous, stranger, member, owner, staff, admin):
    """By person. A key opens no page: who shows one is anonymous there."""
    people = (anonymous, stranger, member, owner, staff, admin)
    return dict(zip(PEOPLE, people, strict=True)) | dict.fromkeys(KEYS, anonymous)


def everybody(status=200):
    return page(*[status] * 6)


def each(status=200):
    """Everybody who signed in, on what is their own or common."""
    return page(LOGIN, *[status] * 5)


def own(status=200):
    """The owner alone. To all others, administrators too, it does not exist."""
    return page(LOGIN, 404, 404, status, 404, 404)


def shared(status=200):
    """The owner, and the members of a group that it is shared with."""
    return page(LOGIN, 404, status, status, 404, 404)


def staff(status=200):
    return page(LOGIN, 404, 404, 404, status, status)


@dataclass(frozen=True)
class Row:
    pattern: str
    methods: dict
    args: dict = field(default_factory=dict)
    data: dict = field(default_factory=dict)
    # What of the owner's it may tell of, by the name in world.py.
    shown: tuple = ()


def row(pattern, *, args=None, data=None, shown=(), **methods):
    return Row(pattern, methods, args or {}, data or {}, shown)


JOB, IMAGE, SLUG = {"pk": "@job"}, {"pk": "@image"}, {"slug": "test-card"}
ALBUM, TOKEN = {"pk": "@album"}, {"token": "@token"}
PRESET = {"slug": "test-card", "pk": "@preset"}
FORM = {"width": "64", "height": "64", "color": "#336699", "batch_size": "1"}

PAGES = [
    row("", GET=everybody()),
    # Making pictures
    row("generate/", GET=each()),
    row("generate/<slug:slug>/", GET=each(), POST=each(302), args=SLUG, data=FORM),
    row("generate/<slug:slug>/cost/", POST=each(), args=SLUG, data=FORM),
    row(
        "generate/<slug:slug>/recent/<slug:name>/",
        GET=each(),
        args={"slug": "text-to-image", "name": "prompt"},
    ),
    row("generate/<slug:slug>/presets/", GET=each(), args=SLUG),
    row(
        "generate/<slug:slug>/presets/save/",
        POST=each(302),
        args=SLUG,
        data=FORM | {"preset-name": "another"},
    ),
    row(
        "generate/<slug:slug>/presets/<int:pk>/",
        POST=own(302),
        args=PRESET,
        data={"name": "renamed"},
    ),
    row("generate/<slug:slug>/presets/<int:pk>/delete/", POST=own(302), args=PRESET),
    row(
        "generate/<slug:slug>/cover/<slug:tag>/",
        GET=each(404),
        args=SLUG | {"tag": "x"},
    ),
    row("inputs/pictures/", GET=each()),
    row("inputs/<str:name>/", GET=own(), args={"name": "@input"}),
    row("words/", GET=each(), POST=each(302), data={"name": "new", "words": "a"}),
    row("words/<int:pk>/delete/", POST=own(302), args={"pk": "@words"}),
    row("remix/", GET=each(), POST=each(422)),
    # What was uploaded goes after a while: back to the upload, as for what never was.
    row("remix/<uuid:pk>/", GET=page(LOGIN, 302, 302, 200, 302, 302), args=IMAGE),
    row("remix/<uuid:pk>/run/", POST=own(302), args=IMAGE),
    row("remix/<uuid:pk>/input/", POST=own(302), args=IMAGE),
    # Jobs
    row("jobs/", GET=each()),
    row("jobs/cancel/", POST=each(302)),
    row("jobs/<uuid:pk>/", GET=own(), args=JOB),
    row("jobs/<uuid:pk>/fragment/", GET=own(), args=JOB),
    row("jobs/<uuid:pk>/preview/<int:number>/", GET=own(), args=JOB | {"number": 1}),
    row("jobs/<uuid:pk>/cancel/", POST=own(302), args=JOB),
    row("jobs/<uuid:pk>/retry/", POST=own(302), args=JOB),
    row("jobs/<uuid:pk>/front/", POST=staff(302), args={"pk": "@waiting"}),
    # Pictures
    row("gallery/", GET=each()),
    row("gallery/<uuid:pk>/", GET=own(), args=IMAGE),
    row("gallery/<uuid:pk>/file/", GET=own(), args=IMAGE),
    row(
        "gallery/<uuid:pk>/thumbnail/<slug:size>/",
        GET=own(),
        args=IMAGE | {"size": "small"},
    ),
    row("gallery/<uuid:pk>/workflow/", GET=own(), args=IMAGE),
    row("gallery/<uuid:pk>/delete/", POST=own(302), args=IMAGE),
    row("gallery/<uuid:pk>/labels/", GET=own(), args=IMAGE),
    row("gallery/<uuid:pk>/related/", GET=own(), args=IMAGE),
    row("gallery/<uuid:pk>/notes/", POST=own(302), args=IMAGE, data={"notes": "x"}),
    row("gallery/compare/", GET=each(422)),
    row("gallery/download/", GET=each(422), POST=each(422)),
    row("gallery/upload/", GET=each(), POST=each(422)),
    row("gallery/facets/", GET=each()),
    row("gallery/suggest/", GET=each()),
    row("gallery/searches/", GET=each(), POST=each(422)),
    row(
        "gallery/searches/<uuid:pk>/",
        GET=own(),
        POST=own(302),
        args={"pk": "@search"},
        data={"title": "other", "query": "fox"},
    ),
    row("gallery/searches/<uuid:pk>/delete/", POST=own(302), args={"pk": "@search"}),
    row(
        "gallery/mark/",
        POST=page(LOGIN, 422, 422, 200, 422, 422),
        data={"ids": "@image", "action": "rate", "value": "3"},
    ),
    row(
        "gallery/undo/",
        POST=page(LOGIN, 422, 422, 200, 422, 422),
        data={"undo": "@undo"},
    ),
    row(
        "gallery/private/",
        POST=own(204),
        data={"ids": "@image", "private": "on"},
    ),
    row("gallery/stacks/ids/", GET=each()),
    row("gallery/stacks/<uuid:pk>/", GET=own(), args={"pk": "@stack"}),
    row("gallery/albums/", GET=each(), POST=each(302), data={"title": "new"}),
    row("gallery/albums/<uuid:pk>/", GET=shared(), args=ALBUM),
    row(
        "gallery/albums/<uuid:pk>/edit/",
        GET=own(),
        POST=own(302),
        args=ALBUM,
        data={"title": "other"},
    ),
    row("gallery/albums/<uuid:pk>/cover/", POST=own(302), args=ALBUM),
    row("gallery/albums/<uuid:pk>/move/", POST=own(422), args=ALBUM),
    row(
        "gallery/albums/<uuid:pk>/share/",
        POST=own(422),
        args=ALBUM,
        data={"name": "nobody"},
    ),
    row(
        "gallery/albums/<uuid:pk>/share/<int:share>/end/",
        POST=own(302),
        args=ALBUM | {"share": "@album_share"},
    ),
    row("gallery/albums/<uuid:pk>/delete/", POST=own(302), args=ALBUM),
    row("gallery/tags/", GET=each()),
    row(
        "gallery/tags/<int:pk>/rename/",
        POST=own(302),
        args={"pk": "@tag"},
        data={"name": "renamed"},
    ),
    row("gallery/tags/<int:pk>/delete/", POST=own(302), args={"pk": "@tag"}),
    row("gallery/trash/", GET=each()),
    row(
        "gallery/trash/<uuid:pk>/<slug:size>/",
        GET=own(),
        args={"pk": "@trashed", "size": "small"},
    ),
    row("gallery/trash/delete/", POST=each(302)),
    # Links: the token is all that a visitor has, and all that they need.
    row("gallery/shares/", GET=each()),
    row("gallery/shares/new/", GET=each(404), POST=each(404)),
    row(
        "gallery/shares/<uuid:pk>/",
        GET=own(),
        POST=own(422),
        args={"pk": "@link"},
        data={"title": "other"},
    ),
    row("gallery/shares/<uuid:pk>/revoke/", POST=own(302), args={"pk": "@link"}),
    row("s/<slug:token>/", GET=everybody(), POST=everybody(302), args=TOKEN),
    row(
        "s/<slug:token>/<uuid:pk>/",
        GET=everybody(),
        args=TOKEN | {"pk": "@linked"},
    ),
    row(
        "s/<slug:token>/<uuid:pk>/<slug:size>/",
        GET=everybody(),
        args=TOKEN | {"pk": "@linked", "size": "file"},
    ),
    row(
        "s/<slug:token>/<uuid:pk>/remix/",
        GET=each(404),
        args=TOKEN | {"pk": "@linked"},
    ),
    row("privacy/", GET=each(), POST=each(302), data={"panic_key": "escape"}),
    row("privacy/blur/", POST=each(302)),
    row("blank/", GET=everybody()),
    row("usage/", GET=each()),
    # What nginx asks of whoever wants to see ComfyUI itself.
    row("auth/comfyui/", GET=page(401, 403, 403, 403, 204, 204)),
    # Keys, webhooks, notices
    row("accounts/keys/", GET=each(), POST=each(422)),
    row("accounts/keys/<int:pk>/revoke/", POST=own(302), args={"pk": "@key"}),
    row("accounts/webhooks/", GET=each(), POST=each(422)),
    row("accounts/webhooks/callback-secret/", POST=each()),
    row("accounts/webhooks/calls/", GET=each()),
    row(
        "accounts/webhooks/calls/<uuid:pk>/again/",
        POST=own(302),
        args={"pk": "@delivery"},
    ),
    *[
        row(
            f"accounts/webhooks/<int:pk>/{deed}/",
            POST=own(status),
            args={"pk": "@webhook"},
        )
        for deed, status in (
            ("secret", 200),
            ("switch", 302),
            ("test", 302),
            ("delete", 302),
        )
    ],
    row("accounts/notices/", GET=each(), POST=each(302)),
    row("accounts/notices/read/", POST=each(302)),
    row("accounts/notices/<int:pk>/", GET=own(302), args={"pk": "@notice"}),
    # For administrators
    row("templates/", GET=staff()),
    row("templates/import/files/", POST=staff(422)),
    row("templates/<slug:slug>/", GET=staff(), POST=staff(), args=SLUG),
    row("templates/<slug:slug>/form/", GET=staff(), POST=staff(302), args=SLUG),
    row("templates/<slug:slug>/form/preview/", POST=staff(), args=SLUG),
    row("templates/<slug:slug>/form/inputs/", GET=staff(), args=SLUG),
    row("templates/<slug:slug>/form/test/", POST=staff(302), args=SLUG),
    row(
        "templates/<slug:slug>/versions/<int:number>/publish/",
        POST=staff(302),
        args=SLUG | {"number": 1},
    ),
    # There is one version, and nothing to compare it with.
    row("templates/<slug:slug>/compare/", GET=staff(404), args=SLUG),
    row("templates/<slug:slug>/workflow/", POST=staff(302), args=SLUG),
    row("templates/<slug:slug>/withdraw/", POST=staff(302), args=SLUG),
    row("templates/<slug:slug>/duplicate/", POST=staff(302), args=SLUG),
    row("templates/<slug:slug>/export/", GET=staff(), args=SLUG),
    row("status/", GET=staff()),
    # Administrators move waiting jobs to the front: they see ids, never a prompt.
    row("servers/", GET=staff(), shown=("waiting",)),
    row("servers/queue/", POST=staff(302), data={"do": "pause"}),
    row(
        "servers/<int:pk>/",
        POST=staff(302),
        args={"pk": "@server"},
        data={"do": "pause"},
    ),
    # Signing in, by django-allauth
    row("accounts/login/", GET=page(200, *[302] * 5)),
    row("accounts/logout/", GET=page(LOGIN, *[200] * 5)),
    row("accounts/inactive/", GET=everybody()),
    row("accounts/signup/", GET=page(200, *[302] * 5)),
    row("accounts/reauthenticate/", GET=each()),
    row("accounts/email/", GET=each()),
    row("accounts/confirm-email/", GET=everybody()),
    row("accounts/password/change/", GET=each()),
    row("accounts/password/set/", GET=each(302)),
    row("accounts/password/reset/", GET=everybody()),
    row("accounts/login/code/confirm/", GET=page(LOGIN, *[302] * 5)),
    row(
        r"accounts/^confirm-email/(?P<key>[-:\w]+)/$",
        GET=everybody(),
        args={"key": "x"},
    ),
    row("accounts/password/reset/key/done/", GET=everybody()),
    row(
        r"accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        GET=everybody(),
        args={"uidb36": "1", "key": "x"},
    ),
    row("accounts/password/reset/done/", GET=everybody()),
    row("accounts/sessions/", GET=each()),
    row("accounts/2fa/", GET=each()),
    row("accounts/2fa/authenticate/", GET=page(LOGIN, *[302] * 5)),
    row("accounts/2fa/reauthenticate/", GET=each(302)),
    row("accounts/2fa/recovery-codes/", GET=each(404)),
    row("accounts/2fa/recovery-codes/download/", GET=each(404)),
    row("accounts/2fa/recovery-codes/generate/", GET=each()),
    row("accounts/2fa/totp/activate/", GET=each()),
    row("accounts/2fa/totp/deactivate/", GET=each(404)),
    row("accounts/2fa/webauthn/", GET=each()),
    row("accounts/2fa/webauthn/add/", GET=each()),
    row("accounts/2fa/webauthn/keys/<int:pk>/edit/", GET=each(404), args={"pk": 1}),
    row("accounts/2fa/webauthn/keys/<int:pk>/remove/", GET=each(404), args={"pk": 1}),
    row("accounts/2fa/webauthn/login/", GET=page(LOGIN, *[302] * 5)),
    row("accounts/2fa/webauthn/reauthenticate/", GET=each(302)),
    row("accounts/3rdparty/", GET=each()),
    row("accounts/3rdparty/login/cancelled/", GET=everybody()),
    row("accounts/3rdparty/login/error/", GET=everybody(401)),
    row("accounts/3rdparty/signup/", GET=everybody(LOGIN)),
    *[
        row(f"accounts/social/{path}/", GET=everybody(301))
        for path in ("connections", "login/cancelled", "login/error", "signup")
    ],
    # Accounts, and people for administrators
    row("accounts/security/", GET=each()),
    row("accounts/second-factor/", GET=each(302)),
    row("accounts/sessions/<int:pk>/end/", POST=own(302), args={"pk": "@session"}),
    row("accounts/export/", GET=each(), POST=each(302)),
    row("accounts/export/<uuid:pk>/", GET=own(), args={"pk": "@export"}),
    row("accounts/delete/", GET=each(), POST=each()),
    row("accounts/gone/", GET=everybody()),
    row("people/", GET=staff()),
    row("people/<int:pk>/", GET=staff(), args={"pk": "@person"}),
    row("people/<int:pk>/do/", POST=staff(302), args={"pk": "@person"}),
    row("people/<int:pk>/rights/", POST=staff(302), args={"pk": "@person"}),
    row("people/<int:pk>/limits/", POST=staff(302), args={"pk": "@person"}),
    row("people/<int:pk>/look/", POST=staff(422), args={"pk": "@person"}),
    row("people/look/end/", POST=everybody(302)),
    row("people/groups/", GET=staff()),
    row("people/groups/new/", GET=staff(), POST=staff(422)),
    row("people/groups/<int:pk>/", GET=staff(), POST=staff(422), args={"pk": "@group"}),
    row("people/groups/<int:pk>/delete/", POST=staff(302), args={"pk": "@group"}),
    row("people/invitations/", GET=staff(), POST=staff(422)),
    row(
        "people/invitations/<int:pk>/revoke/",
        POST=staff(302),
        args={"pk": "@invitation"},
    ),
    row("people/audit/", GET=staff()),
    row("people/audit/export/", GET=staff()),
    row("join/<str:token>/", GET=everybody(404), args={"token": "x"}),
    # The API's own pages tell nothing of anybody.
    row("api/", GET=everybody(404)),
    row("api/openapi.json", GET=everybody()),
    row("api/docs", GET=everybody()),
]

# allauth's headless API: nobody gets anything by a page's cookie or a key of ours.
HEADLESS = {
    "config": 200,
    "auth/session": 401,
    "auth/reauthenticate": 401,
    "auth/code/confirm": 409,
    "auth/password/request": 405,
    "auth/password/reset": 400,
    "auth/login": 405,
    "auth/signup": 405,
    "auth/email/verify": 400,
    "auth/email/verify/resend": 405,
    "auth/phone/verify": 409,
    "auth/phone/verify/resend": 405,
    "account/password/change": 401,
    "account/email": 401,
    "account/phone": 401,
    "auth/sessions": 401,
    "tokens/refresh": 405,
    "account/authenticators": 401,
    "account/authenticators/recovery-codes": 401,
    "account/authenticators/totp": 401,
    "account/authenticators/webauthn": 401,
    "account/providers": 401,
    "auth/2fa/authenticate": 401,
    "auth/2fa/reauthenticate": 401,
    "auth/provider/redirect": 405,
    "auth/provider/signup": 409,
    "auth/provider/token": 405,
    "auth/webauthn/authenticate": 401,
    "auth/webauthn/login": 200,
    "auth/webauthn/reauthenticate": 401,
}
PAGES += [
    row(f"_allauth/app/v1/{path}", GET=everybody(status))
    for path, status in HEADLESS.items()
]

# Of these there are pages in /admin/, for who has the permission by name.
ADMIN_MODELS = {
    "account/emailaddress",
    "accounts/auditevent",
    "accounts/grouprights",
    "accounts/user",
    "auth/group",
    "gallery/image",
    "generation/attempt",
    "generation/duration",
    "generation/job",
    "generation/server",
    "generation/version",
    "generation/workflow",
    "mfa/authenticator",
    "socialaccount/socialaccount",
    "socialaccount/socialapp",
    "socialaccount/socialtoken",
    "usersessions/usersession",
}


# The API --------------------------------------------------------------------------


def api(scope, *, owner, others):
    """By who asks. The keys are the owner's."""
    keys = {key: owner if key == scope else 403 for key in KEYS} | {"revoked": 401}
    people = dict.fromkeys(PEOPLE, others) | {"anonymous": 401, "owner": owner}
    return people | keys


def mine(scope, status=200):
    """Something of the owner's: to others it does not exist."""
    return api(scope, owner=status, others=404)


def ones_own(scope, status=200):
    """A list, or something new: each has theirs."""
    return api(scope, owner=status, others=status)


@dataclass(frozen=True)
class Operation:
    name: str  # "METHOD /path"
    statuses: dict
    args: dict = field(default_factory=dict)
    body: dict | None = None
    files: str = ""  # the field of a file, where one is sent


def op(name, statuses, /, *, body=None, files="", **args):
    return Operation(name, statuses, args, body, files)


C, G, W = "/api/comfyui", "/api/gallery", "/api/webhooks"
OPERATIONS = [
    op(f"POST {C}/generate", ones_own("generate", 202), body={"template": "test-card"}),
    op(f"GET {C}/jobs", ones_own("read")),
    op(f"POST {C}/jobs/cancel", ones_own("generate")),
    op(f"GET {C}/jobs/{{job_id}}", mine("read"), job_id="@job"),
    op(f"POST {C}/jobs/{{job_id}}/cancel", mine("generate"), job_id="@job"),
    op(f"POST {C}/jobs/{{job_id}}/retry", mine("generate"), job_id="@failed"),
    op(f"GET {C}/templates", ones_own("read")),
    op(f"GET {C}/templates/{{slug}}", ones_own("read"), slug="test-card"),
    op(f"GET {C}/limits", ones_own("read")),
    op(f"GET {C}/queue", ones_own("read")),
    op(f"POST {C}/inputs", ones_own("generate", 201), files="file"),
    op(f"GET {C}/presets", ones_own("read")),
    op(
        f"POST {C}/presets",
        ones_own("manage", 201),
        body={"template": "test-card", "name": "another"},
    ),
    op(f"GET {C}/presets/{{preset_id}}", mine("read"), preset_id="@preset"),
    op(
        f"GET {C}/presets/{{preset_id}}#shared",
        mine("read") | {"member": 200},
        preset_id="@shared",
    ),
    op(
        f"PATCH {C}/presets/{{preset_id}}",
        mine("manage"),
        body={"name": "renamed"},
        preset_id="@shared",
    ),
    op(f"DELETE {C}/presets/{{preset_id}}", mine("manage", 204), preset_id="@shared"),
    op(f"GET {C}/word-lists", ones_own("read")),
    op(f"GET {C}/word-lists/{{name}}", mine("read"), name="moods"),
    op(
        f"PUT {C}/word-lists/{{name}}",
        ones_own("manage"),
        body={"words": ["a"]},
        name="moods",
    ),
    op(f"DELETE {C}/word-lists/{{name}}", mine("manage", 204), name="moods"),
    op(f"GET {G}/images", ones_own("read")),
    op(f"POST {G}/images", ones_own("manage", 201), files="files"),
    op(
        f"PATCH {G}/images/{{image_id}}",
        mine("manage"),
        body={"rating": 4},
        image_id="@image",
    ),
    # An album's member may look at its pictures, and is not told how they were made.
    op(
        f"GET {G}/images/{{image_id}}#album",
        mine("read") | {"member": 200},
        image_id="@pictured",
    ),
    op(
        f"GET {G}/images/{{image_id}}/file#album",
        mine("read") | {"member": 200},
        image_id="@pictured",
    ),
    op(
        f"PATCH {G}/images/{{image_id}}#album",
        mine("manage"),
        body={"rating": 4},
        image_id="@pictured",
    ),
    op(
        f"POST {G}/mark",
        api("manage", owner=200, others=422),
        body={"ids": ["@image"], "action": "rate", "value": "3"},
    ),
    op(f"POST {G}/undo", api("manage", owner=200, others=422), body={"undo": "@undo"}),
    op(f"GET {G}/images/{{image_id}}", mine("read"), image_id="@image"),
    op(f"DELETE {G}/images/{{image_id}}", mine("manage", 204), image_id="@image"),
    op(f"GET {G}/images/{{image_id}}/file", mine("read"), image_id="@image"),
    op(f"GET {G}/images/{{image_id}}/thumbnail", mine("read"), image_id="@image"),
    op(
        f"POST {G}/images/{{image_id}}/run-again",
        mine("generate", 202),
        image_id="@image",
    ),
    op(f"GET {W}", ones_own("read")),
    op(f"POST {W}", ones_own("manage", 201), body={"url": "https://example.org/"}),
    op(f"PATCH {W}/{{webhook_id}}", mine("manage"), body={}, webhook_id="@webhook"),
    op(f"DELETE {W}/{{webhook_id}}", mine("manage", 204), webhook_id="@webhook"),
    op(f"POST {W}/{{webhook_id}}/secret", mine("manage"), webhook_id="@webhook"),
    op(f"POST {W}/{{webhook_id}}/test", mine("manage", 202), webhook_id="@webhook"),
    op(f"POST {W}/callback-secret", ones_own("manage")),
    op(f"GET {W}/deliveries", ones_own("read")),
    op(
        f"POST {W}/deliveries/{{delivery_id}}/redeliver",
        mine("manage", 202),
        delivery_id="@delivery",
    ),
    op("GET /api/notices", ones_own("read")),
    op("POST /api/notices/read", ones_own("manage"), body={}),
]

# The socket: who may open it, and whether the owner's jobs are told there.
SOCKET = {
    "anonymous": "refused",
    "stranger": "silent",
    "member": "silent",
    "owner": "told",
    "staff": "silent",
    "admin": "silent",
    **dict.fromkeys(KEYS, "refused"),
}
