"""Graph -> Program -> Plan: which kernels run, in which order, over which memory."""

from intab.program.bind import Binder, Plan
from intab.program.build import build
from intab.program.ir import Program

__all__ = ["Binder", "Plan", "Program", "build"]
