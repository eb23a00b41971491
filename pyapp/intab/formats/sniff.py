"""What kind of file some bytes are, from their first few."""

from intab.graph.storage import Storage

_HEAD_NBYTES = 16

# (offset, magic bytes, what they are)
_MAGIC = (
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (8, b"WEBP", "a WebP picture"),
    (8, b"WAVE", "a WAV sound"),
    (4, b"ftyp", "a video or HEIC picture"),
    (0, b"%PDF", "a PDF document"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"GGUF", "a GGUF model"),
    (4, b"ORTM", "a model in onnxruntime's own format"),
    (0, b"PK\x03\x04", "a zip archive (perhaps a PyTorch or Keras file)"),
    (0, b"\x89HDF", "an HDF5 file (perhaps a Keras model)"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\x80\x02", "a Python pickle (perhaps a PyTorch file)"),
    (0, b"\x80\x04", "a Python pickle"),
    (0, b"\x00asm", "a WebAssembly module"),
    (0, b"version https://g", "a Git LFS pointer; the model itself was not fetched"),
    (0, b"{", "a JSON file"),
    (0, b"<", "an HTML or XML page (perhaps a server's error message)"),
)

# Tags of ModelProto's fields: ir_version, producer_name, producer_version, domain, model_version, doc_string, graph,
# opset_import, and the two-byte tags of metadata_props (14) to configuration (26).
_FIRST_TAGS = frozenset({0x08, 0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72, 0xA2, 0xCA, 0xD2})


def is_onnx(storage: Storage) -> bool:
    """Whether the bytes may be an ONNX file: protobuf has no magic, but the first field must be one of a model's."""
    head = _head(storage)
    return bool(head) and head[0] in _FIRST_TAGS and not _magic_kind(head)


def foreign_kind(storage: Storage) -> str:
    """What bytes that are no model are, for an error message."""
    head = _head(storage)
    if not head:
        return "an empty file"
    return _magic_kind(head) or "a file of an unknown kind"


def _head(storage: Storage) -> bytes:
    return bytes(storage.read(0, min(_HEAD_NBYTES, storage.nbytes)))


def _magic_kind(head: bytes) -> str:
    return next((kind for offset, magic, kind in _MAGIC if head[offset:].startswith(magic[:_HEAD_NBYTES])), "")
