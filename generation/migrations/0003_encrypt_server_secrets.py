from django.db import migrations


def encrypt(apps, schema_editor):
    """What was stored in clear is stored encrypted: reading knows both."""
    for server in apps.get_model("generation", "Server").objects.exclude(
        auth_secret=""
    ):
        server.save(update_fields=["auth_secret"])


class Migration(migrations.Migration):
    dependencies = [("generation", "0002_server_secrets")]

    operations = [migrations.RunPython(encrypt, migrations.RunPython.noop)]
