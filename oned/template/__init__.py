"""The template language: reading it, its text and XML forms, and the expressions over attributes."""
