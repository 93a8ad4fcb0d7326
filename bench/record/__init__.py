"""The record: what a FHIR server is asked for, against bare psycopg."""
