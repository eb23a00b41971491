"""Pictures as arrays: read, resize, straighten, and find the regions of a mask. numpy only; Pillow decodes files."""
