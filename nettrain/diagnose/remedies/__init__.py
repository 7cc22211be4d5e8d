"""What to change in the config, as patches: one module for each kind of cause.

A layer that has no name is called by kind and number, so a patch that exchanges layers
works from the last one backwards: the names of those before stay as they are.
"""
