"""What nettrain promises, tried out: on this machine, and on this disk."""
