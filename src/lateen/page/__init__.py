"""The page's part of the plane that touches no lab: its files, and what may be asked there."""
