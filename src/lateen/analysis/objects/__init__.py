"""What objects alone tell: names, labels, annotations, selectors. One module a subject."""
