"""Measure speed: this code in turns with a text VAE as it is usually written."""
