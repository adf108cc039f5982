"""What is written from the models: the definition of the resource, a schema for editors, the reference."""
