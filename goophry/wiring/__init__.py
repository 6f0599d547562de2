"""Settings → the parts of a running goophry, put together: no rules of its own, only who is handed what."""
