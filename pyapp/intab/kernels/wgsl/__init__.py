"""Kernels as WGSL compute shaders."""

from intab.kernels.wgsl.generate import generate
from intab.kernels.wgsl.layout import WORKGROUP_SIZE, Shader, pack_words, stored_as, words_layout, workgroups

__all__ = ["WORKGROUP_SIZE", "Shader", "generate", "pack_words", "stored_as", "words_layout", "workgroups"]
