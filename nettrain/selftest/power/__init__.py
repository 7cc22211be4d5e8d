"""Power cuts: a disk in memory, what its medium may hold, and what it must."""
