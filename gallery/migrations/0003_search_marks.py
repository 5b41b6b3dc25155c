from django.db import migrations


class Migration(migrations.Migration):
    """Marks the pictures that are there already: they are indexed from then on."""

    dependencies = [("gallery", "0002_search")]

    operations = [
        migrations.RunSQL(
            "INSERT INTO gallery_searchmark (image, owner)"
            " SELECT id, owner_id FROM gallery_image",
            migrations.RunSQL.noop,
        )
    ]
