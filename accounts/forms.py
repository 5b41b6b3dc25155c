"""What the pages about people ask for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import GroupRights, Invitation, User

VALID_FOR = [("1", "1 day"), ("7", "7 days"), ("30", "30 days"), ("365", "1 year")]


class InvitationForm(forms.ModelForm[Invitation]):
    valid_for = forms.ChoiceField(label="Valid for", choices=VALID_FOR, initial="7")

    class Meta:
        model = Invitation
        fields = ("note", "email", "group", "max_uses")
        labels = {"note": "For whom", "email": "E-mail", "max_uses": "How many people"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["group"].empty_label = "No group"  # type: ignore[attr-defined]

    @property
    def expires_at(self) -> datetime:
        return timezone.now() + timedelta(days=int(self.cleaned_data["valid_for"]))


class PersonForm(forms.ModelForm[User]):
    """`may_appoint`: only administrators make others staff or administrators."""

    groups = forms.ModelMultipleChoiceField(
        Group.objects.order_by("name"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = User
        fields = ("first_name", "last_name", "groups", "is_staff", "is_superuser")
        labels = {"is_staff": "Staff", "is_superuser": "Administrator"}
        help_texts = {
            "is_staff": "manages templates, servers and people",
            "is_superuser": "appoints staff, and may do everything",
        }

    def __init__(self, *args: Any, may_appoint: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not may_appoint:
            del self.fields["is_staff"], self.fields["is_superuser"]


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return [line.strip() for line in text.splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or []) != self.to_python(data))


class GroupForm(forms.ModelForm[Group]):
    class Meta:
        model = Group
        fields = ("name",)


class RightsForm(forms.ModelForm[GroupRights]):
    models_allowed = LinesField(
        required=False,
        label="Models allowed",
        help_text="One name or pattern a line, as in flux*. Empty: all.",
    )
    models_denied = LinesField(
        required=False,
        label="Models denied",
        help_text="One name or pattern a line. These count before the allowed ones.",
    )

    class Meta:
        model = GroupRights
        fields = ("share_links", "api", "webhooks", "models_allowed", "models_denied")
        labels = {"share_links": "Share links", "webhooks": "Webhooks"}


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=300,
        min_length=5,
        help_text="The person sees it, and so do the other administrators.",
    )


class DeleteForm(forms.Form):
    """The own user name, typed: so that no click by mistake does it."""

    username = forms.CharField(label="Your user name")

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person
        self.fields["username"].widget.attrs["autocomplete"] = "off"

    def clean_username(self) -> str:
        given = str(self.cleaned_data["username"])
        if given != self.person.username:
            raise forms.ValidationError(f"Write {self.person.username} to confirm.")
        return given
