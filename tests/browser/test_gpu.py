"""intab.browser.gpu over real WebGPU (in software), in a worker: what it promises its users."""

from pytest_pyodide import run_in_pyodide

from tests.browser.proofs import Proofs


@run_in_pyodide
async def told(selenium):
    from tests.browser.inside import gpu

    return await gpu.told()


def test_a_device_says_what_it_is(selenium, proofs: Proofs):
    info = told(selenium)
    assert info["software"] is True and "swiftshader" in info["name"]
    assert {"timestamp-query", "subgroups"} <= set(info["features"]) and "shader-f16" not in info["features"]
    assert tuple(info["subgroups"]) == (4, 4)
    assert "packed_4x8_integer_dot_product" in info["language"]
    assert info["limits"]["maxBufferSize"] == 1 << 30  # the adapter's; a device gets a quarter unless it asks
    assert info["lost"] is None


@run_in_pyodide
async def story(selenium):
    from tests.browser.inside import gpu

    return await gpu.story()


def test_parts_of_a_list_run_and_are_read_back(selenium, proofs: Proofs):
    assert story(selenium) == [
        [[12, 14, 16, 18, 20], [4, 6]],
        [[-12, -14, -16, -18, -20]],
        [[12, 7, 8], []],
        [[8]],
    ]
