"""The edge: requests, the frame around pages, the design system."""
