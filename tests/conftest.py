"""Settings of all tests."""

from hypothesis import settings

# How long an example takes says how busy the machine is: timings belong in `bench/`.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
