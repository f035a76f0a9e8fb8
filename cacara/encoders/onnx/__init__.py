"""Graphs by which onnxruntime computes encoders on a CPU."""
