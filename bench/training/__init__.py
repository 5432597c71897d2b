"""Whole training steps and whole trainings, beside PyTorch's."""
