"""Let the first picture of every stack lead it."""

from __future__ import annotations

from django.db import migrations

SETTLE = """
UPDATE gallery_image SET leads = FALSE
WHERE stack IS NOT NULL AND deleted_at IS NULL AND EXISTS (
    SELECT 1 FROM gallery_image AS earlier
    WHERE earlier.stack = gallery_image.stack AND earlier.deleted_at IS NULL
      AND (earlier.created < gallery_image.created
           OR (earlier.created = gallery_image.created
               AND earlier.id < gallery_image.id))
)
"""


class Migration(migrations.Migration):
    dependencies = [("gallery", "0003_stacks_and_sharing")]
    operations = [migrations.RunSQL(SETTLE, migrations.RunSQL.noop)]
