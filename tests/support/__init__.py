"""What the tests stand on: a TIFF writer, a file server, counting stores and a loopback S3."""
