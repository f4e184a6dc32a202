"""What one can do with a perceptual loss; each module is a program: ``python -m examples.optimise_waveform --help``."""
