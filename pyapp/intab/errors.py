"""Everything that intab raises on purpose, drawn as one tree.

IntabError
├── ModelFormatError            the bytes are not a model that can be read
├── UnsupportedOpError          an operator, or a use of it, that this back end cannot run
├── ShapeError (ValueError)     sizes that do not fit each other or the model
├── DTypeError (TypeError)      element types that do not fit
├── FeedError (KeyError)        a feed or fetch that the model does not have
├── MediaError                  a picture or sound that cannot be decoded
├── BackendUnavailableError     this device or browser lacks what was asked for
├── OutOfMemoryError            memory that could not be had
├── DeviceLostError             the device went away in mid-work
├── CacheError                  the browser's storage failed
│   ├── QuotaError              ... because it is full
│   └── IntegrityError          ... or what it holds is not what was stored
├── DownloadError               the network failed
├── MediaPermissionError        camera or microphone refused
├── KernelError                 generated code, or an author's kernel, that breaks the rules of its language
└── Cancelled                   the caller changed its mind

A message says where it happened, what is wrong, and what to do next.
"""


class IntabError(Exception):
    """Root of every error that intab raises on purpose."""


class ModelFormatError(IntabError):
    """The bytes given as a model cannot be read as one."""


class UnsupportedOpError(IntabError):
    """An operator, or a way of using it, that cannot be run where it was asked to run."""


class ShapeError(IntabError, ValueError):
    """Sizes that do not fit each other, the operator or the model."""


class DTypeError(IntabError, TypeError):
    """Element types that do not fit the operator or the model."""


class FeedError(IntabError, KeyError):
    """A feed or fetch name that the model does not have, or one it needs and did not get."""

    def __str__(self) -> str:  # KeyError would print the message quoted, as a key
        return str(self.args[0]) if self.args else ""


class MediaError(IntabError):
    """A picture or sound that cannot be decoded."""


class BackendUnavailableError(IntabError):
    """The device, browser or desktop lacks what was asked for."""


class OutOfMemoryError(IntabError):
    """Memory that could not be had; the message names the bytes."""


class DeviceLostError(IntabError):
    """The device went away in mid-work."""


class CacheError(IntabError):
    """The browser's storage failed."""


class QuotaError(CacheError):
    """The browser's storage is full."""


class IntegrityError(CacheError):
    """What the storage holds is not what was put there."""


class DownloadError(IntabError):
    """The network failed, or the server's answer is not what was asked for."""


class MediaPermissionError(IntabError):
    """The visitor, or the browser, refused the camera or the microphone."""


class KernelError(IntabError):
    """Generated code trapped or breaks the rules of the kernel language: a bug in intab, worth a report.

    Of a kernel that an author wrote: what the compiler refuses, or a call that does not fit it.
    """


class Cancelled(IntabError):
    """The caller cancelled the work."""
