"""Finds sensitive values: personal data and credentials. What is done about them is redaction's."""
