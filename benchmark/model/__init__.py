"""The network, its loss, its KL weight, and the hooks that a method may override."""
