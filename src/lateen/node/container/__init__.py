"""What a container needs: files, environment, volumes, logs, its command."""
