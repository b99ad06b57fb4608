"""What the server knows of each kind: resources, definitions, conversion, CEL."""
