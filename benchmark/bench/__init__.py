"""Measuring speed: this code against a text VAE as it is usually written, taking turns."""
