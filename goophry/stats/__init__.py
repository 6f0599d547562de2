"""What goophry counts about itself, and how Prometheus reads it."""
