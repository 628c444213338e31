"""The network, its loss, the KL weight, and what a method may change."""
