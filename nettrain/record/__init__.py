"""What a run leaves on the disk, and how it survives a crash."""
