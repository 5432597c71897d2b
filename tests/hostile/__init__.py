"""Files that mean harm, or that a disk has harmed: mutated by chance, and read by what the command line calls."""
