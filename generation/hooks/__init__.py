"""Webhooks: rows in the job's own transaction, sent by Huey, tried again for a day."""
