"""The portals' navigation, role gates and frames. Import from the modules below."""
