"""Settings → the parts of a running goophry, put together; and what belongs to nobody else."""
