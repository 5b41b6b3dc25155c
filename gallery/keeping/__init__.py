"""Keeping house: sums, quotas, disks, moving between homes, the end of the trash."""
