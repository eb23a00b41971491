"""Kernels that an author wrote, over real WebGPU (in software)."""

import pytest

INSIDE = "custom_kernels"
RUNS = 1000


def test_text_for_one_element(in_worker):
    assert max(in_worker("bodies")) <= 1e-6


def test_functions_of_numbers_broadcast_as_numpy_does(in_worker):
    errors = in_worker("functions")
    assert {name: error for name, error in errors.items() if error > 3e-5} == {}


def test_whole_shaders_have_their_own_bindings_constants_and_memory(in_worker):
    differences, counts, more, seen, timed = in_worker("whole")
    assert max(differences) <= 2e-5
    assert counts == [1, 2, 1, 3]
    assert more == [2, 4, 2, 6]  # what is given is what the kernel begins with
    assert seen == [[byte, 7] for byte in (0, 1, 5, 7, 3, 255, 2)]
    assert timed


def test_results_stay_on_the_device(in_worker):
    said, (first, second, same, counts, more), disposed = in_worker("kept")
    assert said == ["webgpu", [4, 6], "f32"]
    assert max(first, second, same) <= 1e-4
    assert counts == [0, 3, 0, 0] and more == [0, 6, 0, 0]
    assert disposed[0] == "IntabError" and "was disposed of" in disposed[1]


REFUSED = {
    "text": ("KernelError", "kernel, line 2, column 16: unresolved value 'wrong'", "  out[i] = x * wrong;\n", "^"),
    "types": ("KernelError", "bad, line 1, column 10: no matching overload for 'operator + (u32, f32)'"),
    "whole": ("KernelError", "kernel, line 19, column 46: unresolved value 'lefd'"),
    "cut": ("KernelError", "kernel, line 1, column 15: expected ')'"),
    "entry": ("KernelError", "it has 2 entry points; it has tiled, naive. Say which: entry_point='tiled'."),
    "no entry": ("KernelError", "it has no entry point 'fast'; it has tiled, naive."),
    "no outputs": ("KernelError", 'it has no outputs. Name them with their dtype: outputs={"out": "float32"}.'),
    "taken": ("KernelError", "kernel: 'i' is taken. Give it another name."),
    "double": ("UnsupportedOpError", "WGSL has no f64."),
    "no dtype": ("KernelError", "a: 'real' is no dtype of numpy."),
    "uniform": ("KernelError", "its uniform n is uint8; there are float32, int32, uint32."),
    "bindings": ("KernelError", "a and b have one binding. Give each its own number."),
    "missing": ("KernelError", "add takes a, b, out; missing: b."),
    "unknown": ("KernelError", "add takes a, b, out; unknown: c."),
    "too many": ("KernelError", "add: 3 arrays were given, and it takes a, b."),
    "dtype": ("DTypeError", "add: a is float64, and it takes float32. Convert it: a.astype('float32')."),
    "shape": ("KernelError", "add: the shape of out is not known. Give shape=(...)"),
    "no uniform": ("KernelError", "matmul takes a, b, m, n, k, scale, c; missing: m, n, k, scale."),
    "a word": ("KernelError", "matmul: m is 0.5, and uint32 is wanted"),
    "no groups": ("KernelError", "matmul: how many workgroups are to run? Give workgroups=(x, y, z)."),
    "many groups": ("KernelError", "matmul: workgroups=(1, 70000); they are up to three numbers from 0 to 65,535"),
    "no shape": ("KernelError", "matmul: the shape of c is not known."),
    "element": ("DTypeError", "matmul: a is int32, which lies on the GPU as i32, and its text says f32."),
    "negative": ("ShapeError", "add: (-1,) is no shape for out."),
    "broadcast": ("ShapeError", "sum: a [4, 6], b [6, 4] do not broadcast against each other."),
    "function": ("DTypeError", "square: x is int32, and it takes float32."),
    "branch": ("KernelError", "Use np.where(condition, a, b)"),
    "works": ("none", "[2.]"),
}


def test_what_is_wrong_is_said_where_it_is(in_worker):
    errors = in_worker("refused")
    assert set(errors) == set(REFUSED)
    wrong = {
        name: errors[name]
        for name, (kind, *parts) in REFUSED.items()
        if errors[name][0] != kind or any(part not in errors[name][1] for part in parts)
    }
    assert wrong == {}


def test_after_a_loss_a_kernel_is_compiled_anew(in_worker):
    difference, error = in_worker("lost")
    assert difference <= 1e-6
    assert error[0] == "DeviceLostError" and "was lost with its device" in error[1]


@pytest.mark.driver_timeout(300)
def test_many_calls_leave_nothing_behind(in_worker):
    before, after = in_worker("flat", RUNS)
    assert before == after
