"""Correctness and speed of circular convolution on an NVIDIA GPU, in one command: `make gpu-check`."""
