"""Models as graphs of ONNX Runtime: exported once, kept in the store, run from there."""
