"""Statements on schema `exchange`."""
