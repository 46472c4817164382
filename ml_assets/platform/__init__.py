"""What steps run on: one protocol, one package per platform."""
