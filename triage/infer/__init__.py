"""Infer: canonical views in, logits and attention maps out, by the ONNX models of one verified bundle."""
