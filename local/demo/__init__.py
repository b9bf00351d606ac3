"""The main job, done before one's eyes, through the gateway alone: `make demo`."""
