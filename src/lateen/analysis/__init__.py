"""What is doubtful in a mesh: `istioctl analyze`'s messages, and those that no tool reports."""
