"""What people keep to fill in forms: presets of a template, lists of words."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, Group
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from accounts.models import User
from generation.models.fields import KeptJSONField
from generation.models.workflow import Workflow

MAX_PRESETS = 100
MAX_LISTS = 100
MAX_WORDS = 2000
LIST_NAME = r"[a-z0-9]+(?:[_-][a-z0-9]+)*"


class PresetQuerySet(models.QuerySet["Preset"]):
    def visible_to(self, user: User | AnonymousUser) -> PresetQuerySet:
        """One's own, and those that are shared with one of one's groups."""
        if user.is_anonymous:
            return self.none()
        shared = Q(group__in=user.groups.values("pk"))
        usable = Workflow.objects.visible_to(user).values("pk")
        return self.filter(Q(owner=user) | shared, workflow__in=usable)


class Preset(models.Model):
    """Values of a template's form under a name; `group` sees and uses it, too."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="presets"
    )
    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, related_name="presets"
    )
    name = models.CharField(max_length=100)
    values = KeptJSONField(default=dict)
    group = models.ForeignKey(
        Group, null=True, blank=True, on_delete=models.SET_NULL, related_name="presets"
    )
    created = models.DateTimeField(auto_now_add=True)

    objects = PresetQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "workflow", "name"], name="preset_name_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class WordList(models.Model):
    """Words under a name: `__name__` in a prompt becomes one of them."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="word_lists"
    )
    name = models.CharField(
        max_length=50,
        validators=[
            RegexValidator(rf"^{LIST_NAME}\Z", "Write it with a-z, 0-9, - and _.")
        ],
    )
    words = models.TextField(help_text="one a line")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"], name="word_list_name_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def lines(self) -> list[str]:
        return [line.strip() for line in self.words.splitlines() if line.strip()]
