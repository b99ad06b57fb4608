"""Requests with what is expected of them: files of cases, and how they are judged."""
