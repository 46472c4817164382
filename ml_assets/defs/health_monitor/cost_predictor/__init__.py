"""The model that says whether a workspace will cost over 10 % more than the day before."""
