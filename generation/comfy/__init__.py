"""A client of ComfyUI: a pure protocol core under thin I/O shells. No Django."""
