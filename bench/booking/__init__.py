"""`./run bench booking`: the rush, the storm, the kill, the list, the draw, the memory."""
