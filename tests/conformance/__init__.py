"""What every implementation of a seam must do: classes of tests to subclass, and the subclasses of this project."""
