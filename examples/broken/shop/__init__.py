"""The shop that every broken example starts from. As it stands here, every check is green."""
