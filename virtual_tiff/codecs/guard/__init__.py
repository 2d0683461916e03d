"""The codec that stands around a block's whole chain, and the strict decoders in it."""
