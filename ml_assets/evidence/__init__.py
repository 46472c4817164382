"""What people look at: figures made from measured numbers."""
