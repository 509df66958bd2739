"""Kernels: NAME.cu computes; NAME.py beside it picks grid and variant, checks sizes. dsc_prim.h: what they may use."""
