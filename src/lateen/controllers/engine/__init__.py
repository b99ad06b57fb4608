"""What runs controllers: loop, queue, cache, executor."""
