"""Many runs, one truth: seeds, sweeps and comparisons, from run folders alone."""
