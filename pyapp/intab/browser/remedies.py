"""What would bring what a browser lacks, by the name of what is missing."""

from intab.browser.wasm_features import EXCEPTIONS, MEMORY64, RELAXED_SIMD, SIMD, THREADS

REMEDIES = {
    SIMD: "Use a browser of the last three years: intab's kernels need it.",
    RELAXED_SIMD: "A current Chrome, Edge or Firefox has it; without it products take about 1.4 times as long.",
    THREADS: "Use a current browser: without it one thread computes.",
    MEMORY64: "Nothing to do: intab's sessions share a memory of up to 4 GiB, which does not need it.",
    EXCEPTIONS: "Nothing to do: intab's kernels do without.",
    "wasm": "Use a browser of the last three years: intab computes by WebAssembly where there is no GPU.",
    "browser": "Nothing to do: it is only shown.",
    "origin": "Nothing to do: it is only shown.",
    "processors": "Nothing to do: one processor is assumed, so that one thread computes.",
    "isolation": "Have the server send the headers Cross-Origin-Opener-Policy: same-origin and "
    "Cross-Origin-Embedder-Policy: require-corp; without them one thread computes.",
    "isolation from a file": "Serve the page by http or https instead of opening the file; until then one thread "
    "computes.",
    "memory": "Nothing to do: 4 GiB are assumed.",
    "jspi": "Chrome and Edge have it from version 137 on; without it write `await session.run(...)`, not `run_sync`.",
    "offscreen canvas": "Use a browser of the last two years; without it no worker can draw.",
    "webgpu": "Use a current Chrome, Edge, Firefox or Safari; on Linux Chrome may need "
    "chrome://flags/#enable-unsafe-webgpu. Until then WebAssembly computes.",
    "webgpu adapter": "Turn on graphics acceleration in the browser's settings and update the graphics driver; "
    "chrome://gpu says what is blocked. Until then WebAssembly computes.",
    **dict.fromkeys(
        ("adapter", "features", "limits", "subgroup sizes", "WGSL features"),
        "A newer browser or graphics driver. Until then WebAssembly computes.",
    ),
    "secure context": "Serve the page by https, or from localhost.",
    "shader-f16": "Nothing to do where the GPU cannot do it, else a newer graphics driver; until then 32-bit floats.",
    "subgroups": "A newer browser or graphics driver; until then members of a workgroup meet in its memory.",
    "timestamp-query": "Nothing to do: kernels are timed by the clock then, which is coarser.",
    "packed dot products": "A newer browser; until then bytes are multiplied one by one.",
    "webgl2": "Turn on graphics acceleration in the browser's settings.",
    "webgl2 limits": "A newer browser or graphics driver.",
    "webgl2 float targets": "Another GPU or driver; no float model can run by WebGL2 without it.",
    "storage": "Leave the private window, or allow the site to keep data; until then models are downloaded and "
    "compiled at each visit.",
    "storage quota": "Nothing to do: models are kept for as long as the browser takes them.",
    "camera": "Use another browser, or choose a file instead.",
    "microphone": "Use another browser, or choose a file instead.",
    "persistent storage": "Install or bookmark the site, or have the page call navigator.storage.persist().",
    "media in a worker": "Ask from the page: its section “This device” does.",
    "media": "Use a browser with navigator.mediaDevices.",
    "media device": "Connect one.",
    "media permission": "Nothing to do: the browser asks, if it wants to, when it is opened.",
    "media denied": "Allow it in the browser's settings of this site.",
}
