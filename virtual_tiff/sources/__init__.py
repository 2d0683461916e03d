"""A name to bytes: what is known of an object before anything of it is decoded."""
