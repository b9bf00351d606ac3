"""What booking does. One function is one change, made in the caller's transaction."""
