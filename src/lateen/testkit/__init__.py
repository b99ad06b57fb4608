"""pytest's part: files of cases are collected as tests, and a fixture gives a lab."""
