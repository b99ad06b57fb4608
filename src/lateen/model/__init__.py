"""What a resource is: kinds, selectors, patches, diagnostics, snapshots.

Pure: no I/O, no clock.
"""
