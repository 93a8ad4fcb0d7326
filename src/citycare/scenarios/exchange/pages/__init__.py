"""The record's pages for operators and hospital integrators, below `/operator/record`."""
