"""intab.browser.gpu over real WebGPU (in software), in a worker and in a page's main thread: what it promises."""

from collections.abc import Callable
from typing import Any

import pytest

Call = Callable[..., Any]
INSIDE = "gpu"
RUNS = 1000
STORY = [[[12, 14, 16, 18, 20], [4, 6]], [[-12, -14, -16, -18, -20]], [[12, 7, 8]], [[8]]]
LOST = r"the GPU device was lost (Device was destroyed). Load the model again; "
SPARE_OBJECTS = 20  # of Python, such as entries of caches


def test_a_device_says_what_it_is(inside: Call):
    info = inside("told")
    assert info["software"] is True and "swiftshader" in info["name"]
    assert {"timestamp-query", "subgroups"} <= set(info["features"]) and "shader-f16" not in info["features"]
    assert info["subgroups"] == [4, 4]
    assert "packed_4x8_integer_dot_product" in info["language"]
    assert info["limits"]["maxBufferSize"] == 1 << 30  # the adapter's; a device gets a quarter unless it asks
    assert info["lost"] is None


def test_parts_of_a_list_run_and_are_read_back(inside: Call):
    assert inside("story") == STORY


@pytest.mark.parametrize("calls", [64, 65, 150])
def test_a_long_list_runs_in_order(inside: Call, calls: int):
    odd = calls % 2  # the buffer that the last call wrote holds one more than the other
    whole = [calls - odd, calls - 1 + odd]
    more = calls - 4
    assert inside("long_list", calls) == [*whole, whole[0] + more - odd, whole[0] + more - 1 + odd]


def test_bytes_are_read_from_anywhere_and_written_in_words(inside: Call):
    read, errors = inside("bytes_anywhere")
    whole = [1, 2, 3, 4, *b"abcde", 0, 0, 0, 13]
    assert read == [whole, whole[3:5], [], whole[6:], whole[:1]]
    assert {name for name, _ in errors} == {"KernelError"}
    expected = [
        "at multiples of 4 only",
        "8 bytes at offset 12 lie",
        "5 bytes at offset 12 lie",
        "offset -4 lie",
        "destroyed",
    ]
    assert [words for (_, said), words in zip(errors, expected, strict=True) if words not in said] == []


def test_nothing_is_fine_too(inside: Call):
    sizes, reads, times, buffers = inside("nothing")
    assert sizes == [0, 0]
    assert reads == [[], ["empty"], [], [], [], [[0, 0, 0, 0]]]
    assert times == [[], 1, 1]
    assert buffers == []


def test_what_is_refused_says_why_and_the_device_works_on(inside: Call):
    errors, kinds, story = inside("refused")
    expected = {
        "shader": (
            "KernelError",
            "shader wrong: the GPU refused it (",
            "'missing' in: result[place.x] = source[place.x]",
        ),
        "access": ("KernelError", "shader small: the GPU refused it (", "@group(0) @binding(2)"),
        "size": ("OutOfMemoryError", "absurd: 1,073,741,825 bytes", "has 1,073,741,824 bytes at most"),
        "very absurd": ("OutOfMemoryError", "very absurd: 1,152,921,504,606,846,976 bytes", "at most"),
        "too few": ("KernelError", "preparing 1 GPU call: the GPU refused it (", "Number of entries"),
        "both": ("KernelError", "a run of 1 GPU call: the GPU refused it (", "writable usage and another usage"),
        "groups": ("KernelError", "a run of 1 GPU call: the GPU refused it (", "1048576"),
        "words": ("KernelError", "words: 256 bytes at offset 1048576 lie outside", "256 bytes"),
        "calls": ("KernelError", "a run of 2 GPU calls: ", "calls 0 to 2 were asked for, and there are 1"),
        "repeats": ("KernelError", "timing 1 GPU call: ", "Give 1 or more"),
        "disposed": ("KernelError", "a run of 1 GPU call: ", "were disposed of"),
    }
    assert set(errors) == set(expected)
    for what, (name, begin, part) in expected.items():
        assert errors[what][0] == name, what
        assert errors[what][1].startswith(begin) and part in errors[what][1], what
    assert kinds == ["KernelError", "GpuPipeline", "KernelError"]
    assert story == STORY


def test_memory_that_the_device_does_not_have(inside: Call):
    (buffers, run), all_closed, works, staging = inside("no_memory")
    assert buffers[0] == run[0] == "OutOfMemoryError"
    assert buffers[1].startswith("weights: 1,000 bytes of GPU memory cannot be had (none is left). Use smaller input")
    assert run[1].startswith("a run of 1 GPU call: the GPU has no memory for it (none is left). Use smaller input")
    assert all_closed
    assert works == 1
    assert staging == 2  # what may itself be the memory that was not there is not used again


def test_what_nobody_waited_for_is_told_of_by_the_next_run(inside: Call):
    unasked, again, destroyed, words = inside("wrong_meanwhile")
    assert unasked[0] == "KernelError" and "unasked" in unasked[1]
    assert again == ["none", "[]"]
    assert destroyed[0] == "KernelError" and "destroyed" in destroyed[1]
    assert words == ["KernelError", "first: this GPU buffer was destroyed. Load the model again."]


def test_buffers_that_nobody_wants_any_more_are_destroyed(inside: Call):
    held, was_cancelled, left = inside("buffers_cancelled")
    assert held == 1008 + 2000
    assert was_cancelled
    assert left == 0


@pytest.mark.parametrize("how, why", [("destroyed", "Device was destroyed"), ("disposed", "it was disposed of")])
def test_a_device_that_is_gone_says_so_at_once(inside: Call, how: str, why: str):
    at_once, errors, said = inside("lost_between", how)
    assert said.rstrip(".") == why
    for name, words in [*errors, *([at_once] if at_once else [])]:
        assert name == "DeviceLostError"
        assert f"the GPU device was lost ({why}). Load the model again" in words
    assert len(errors) == 7


@pytest.mark.driver_timeout(60)
@pytest.mark.parametrize("what", ["run", "run without downloads", "time", "pipelines", "buffers", "commands"])
def test_a_device_lost_meanwhile_ends_the_work_and_another_one_works(inside: Call, what: str):
    was_pending, errors, said, story = inside("lost_within", what)
    assert was_pending
    assert [name for name, _ in errors] == ["DeviceLostError"] * 2
    assert all(LOST in words for _, words in errors)
    assert said == "Device was destroyed."
    assert story == STORY


def test_a_device_disposed_of_in_mid_run(inside: Call):
    name, words = inside("disposed_within")
    assert name == "DeviceLostError" and "it was disposed of" in words


def test_a_cancelled_run_leaves_the_next_ones_alone(inside: Call):
    ends, staging = inside("cancelled")
    assert ends == ["cancelled", *[[[15, 15, 15, 15]]] * 3]
    assert staging == 2  # that of the cancelled run, and one that the others take in turn


def test_runs_at_the_same_time(inside: Call):
    assert inside("at_the_same_time", 20) == [2 * number + 1 for number in range(20)]


def test_bytes_of_javascript_do_not_pass_through_python(inside: Call):
    nbytes = 40_000_002  # pieces of 16 MiB, and half a word
    grown_nbytes, right, part = inside("large", nbytes)
    assert grown_nbytes == 0
    assert right and part


def test_calls_are_timed_by_the_device_and_by_the_wall(inside: Call):
    times = inside("timed", 5)
    assert "timestamp-query" in times["device"][0] and times["wall"][0] == []
    for _, (slow, fast), (again,) in times.values():
        assert slow > fast > 0
        assert again > 0


def test_more_calls_are_timed_than_a_set_of_queries_has(inside: Call):
    count, least = inside("many_calls_timed", 2100)
    assert count == 2100
    assert least >= 0


@pytest.mark.driver_timeout(120)
def test_a_thousand_runs(inside: Call):
    before, after, staging = inside("many_runs", RUNS)
    assert_flat(before, after)
    assert staging == 1


@pytest.mark.driver_timeout(120)
def test_devices_come_and_go(inside: Call):
    before, after = inside("many_devices", 10)
    assert_flat(before, after)


def assert_flat(before: dict[str, int], after: dict[str, int]) -> None:
    """Fail unless all counts are as they were, the number of Python's objects nearly so."""
    objects = after.pop("Python objects") - before.pop("Python objects")
    assert after == before
    assert objects <= SPARE_OBJECTS


def test_outputs_that_no_single_buffer_holds_are_read_through_several(inside: Call):
    (first, second, begin, one), staging = inside("more_than_a_buffer_holds")
    assert first == list(range(12)) and begin == [0, 1, 2, 3]
    assert second == [1, 3, *range(2, 12)] and one == [3]
    assert staging == 3  # 48 bytes, 48 + 8, and 16 + 4, of 64 that a buffer may have; the second time none is made
