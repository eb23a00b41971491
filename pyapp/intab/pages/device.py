"""What the page shows of its device, and `intab doctor` prints."""

from intab.browser.facts import PageFacts
from intab.browser.messages import DeviceProbed, DeviceRow, ProbeDevice
from intab.browser.page import ProgressCallback
from intab.runtime.probe import probe


async def probe_device(arguments: ProbeDevice, progress: ProgressCallback) -> DeviceProbed:
    """Probe anew, with what the page has told of itself."""
    device = await probe(PageFacts(arguments.media_kinds, arguments.media_failure))
    rows = tuple(DeviceRow(row.group, row.name, row.value, row.has, row.note) for row in device.rows())
    return DeviceProbed(rows, str(device), device.as_dict())
