"""What a model is: the graph, its sizes, its text form and its rules."""
