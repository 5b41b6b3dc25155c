"""Encrypt every stored secret anew with the first of LIFEOS_SECRETS_KEY."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.apps import apps
from django.core.management.base import BaseCommand
from django.db import models, transaction

from accounts import secrets
from accounts.secrets import EncryptedJSONField


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        self.lost = 0
        count = self._factors()
        for model in apps.get_models():
            count += self._model(model)
        self.stdout.write(f"{count} secrets are encrypted with the first key.")
        if self.lost:
            self.stdout.write(f"{self.lost} fit none of the keys and stay as they are.")

    def _model(self, model: type[models.Model]) -> int:
        fields = [
            field.attname
            for field in model._meta.concrete_fields
            if isinstance(field, EncryptedJSONField)
        ]
        return sum(self._column(model, column) for column in fields)

    def _column(self, model: type[models.Model], column: str) -> int:
        """The texts as they are stored, so that what can't be read is not lost."""
        raw = models.functions.Cast(column, models.TextField())
        count = 0
        rows = model._default_manager.annotate(_stored=raw)
        for pk, stored in rows.values_list("pk", "_stored"):
            if fresh := self._again(stored or ""):
                with transaction.atomic():
                    kept = model._default_manager.filter(pk=pk)
                    kept.update(**{column: models.Value(fresh, models.TextField())})
                count += 1
        return count

    def _factors(self) -> int:
        """TOTP secrets and seeds of recovery codes, which allauth keeps."""
        count = 0
        for row in Authenticator.objects.all():
            fresh = {
                name: self._again(value) or value
                for name, value in row.data.items()
                if isinstance(value, str) and value.startswith(secrets.PREFIX)
            }
            if fresh:
                row.data = {**row.data, **fresh}
                row.save(update_fields=["data"])
                count += len(fresh)
        return count

    def _again(self, stored: str) -> str:
        """Encrypted with the first key; empty where there is nothing to do."""
        if not stored:
            return ""
        if not stored.startswith(secrets.PREFIX):
            return secrets.encrypt(stored)
        try:
            return secrets.encrypt(secrets.decrypt(stored))
        except InvalidToken:
            self.lost += 1
            return ""
