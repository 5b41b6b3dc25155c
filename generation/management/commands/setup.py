"""Bring a new or updated installation up: database, starter templates, admin."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from generation import bootstrap
from generation.starters import load_starters
from lifeos import env


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        load_starters()
        given = env.text("LIFEOS_ADMIN_PASSWORD")
        password = bootstrap.first_administrator(given)
        if password and not given:
            self.stdout.write("The first administrator:")
            self.stdout.write("  user name  admin")
            self.stdout.write(f"  password   {password}   (shown only this once)")
