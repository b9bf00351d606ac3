"""What the containers of `docker-compose.yml` mount, and how its secrets are made."""
