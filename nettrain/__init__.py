"""Train neural networks from one YAML file, and see why they do not learn."""
