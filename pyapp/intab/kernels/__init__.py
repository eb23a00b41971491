"""What a kernel is, what it means, and how it is printed in each language."""
