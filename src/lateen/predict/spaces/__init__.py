"""What all requests will do: classes of requests with their effects, and how two states differ."""
