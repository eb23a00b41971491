// @ts-check
/**
 * Pictures and frames of videos as pixels in a GPU's memory; see gpu_pictures.py. One expression, evaluated like
 * gpu_device.js. Nothing of a picture passes through Python.
 */

(function open(/** @type {GPUDevice} */ device, /** @type {Device} what gpu_device.js gives */ host) {
  "use strict";
  const { check, scoped, settled } = host;
  // Shaders only see frames of videos as such; this one makes plain pixels of them.
  const FRAME_TO_PIXELS = `
    @group(0) @binding(0) var frame: texture_external;
    @group(0) @binding(1) var<storage, read_write> pixels: array<u32>;
    @compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) at: vec3<u32>) {
      let size = textureDimensions(frame);
      if (at.x >= size.x || at.y >= size.y) { return; }
      let place = at.y * ((size.x + 63u) / 64u * 64u) + at.x;
      if (place < arrayLength(&pixels)) { pixels[place] = pack4x8unorm(textureLoad(frame, at.xy)); }
    }`;
  /** @type {Promise<GPUComputePipeline> | undefined} */
  let framePipeline;

  /**
   * A texture that pictures of one size are brought to.
   * @param {number} width
   * @param {number} height
   */
  async function createTexture(width, height) {
    check();
    const usage = GPUTextureUsage.COPY_DST | GPUTextureUsage.COPY_SRC | GPUTextureUsage.RENDER_ATTACHMENT;
    const [texture, found] = scoped(() => device.createTexture({ size: [width, height], format: "rgba8unorm", usage }));
    return settled(Promise.resolve(texture), found);
  }

  /**
   * The pixels of a picture in a buffer: sRGB, alpha not multiplied in, lines at multiples of 256 bytes.
   * @param {GPUCopyExternalImageSource} source
   * @param {GPUTexture} texture
   * @param {GPUBuffer} buffer
   */
  async function bring(source, texture, buffer) {
    check();
    const size = [texture.width, texture.height];
    const [, found] = scoped(() => {
      const target = { texture, colorSpace: /** @type {const} */ ("srgb"), premultipliedAlpha: false };
      device.queue.copyExternalImageToTexture({ source }, target, size);
      const encoder = device.createCommandEncoder();
      encoder.copyTextureToBuffer({ texture }, { buffer, bytesPerRow: pitchOf(texture.width) }, size);
      device.queue.submit([encoder.finish()]);
    });
    await settled(Promise.resolve(), found);
  }

  /**
   * The same of a frame of a video, which is not copied first. False where the browser cannot show a GPU its frames,
   * which depends on how it draws pages.
   * @param {VideoFrame | HTMLVideoElement} source
   * @param {number} width
   * @param {number} height
   * @param {GPUBuffer} buffer
   */
  async function bringFrame(source, width, height, buffer) {
    check();
    framePipeline ??= device.createComputePipelineAsync({
      layout: "auto",
      compute: { module: device.createShaderModule({ code: FRAME_TO_PIXELS }), entryPoint: "main" },
    });
    const pipeline = await framePipeline;
    const [isThere, found] = scoped(() => {
      const frame = imported(source);
      if (!frame) return false;
      const group = device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: [
          { binding: 0, resource: frame },
          { binding: 1, resource: { buffer, size: pitchOf(width) * height } },
        ],
      });
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(Math.ceil(width / 8), Math.ceil(height / 8));
      pass.end();
      device.queue.submit([encoder.finish()]);
      return true;
    });
    return settled(Promise.resolve(isThere), found);
  }

  /** @param {VideoFrame | HTMLVideoElement} source */
  function imported(source) {
    try {
      return device.importExternalTexture({ source, colorSpace: "srgb" });
    } catch (/** @type {any} */ error) {
      if (error.name !== "OperationError") throw error;
      return null;
    }
  }

  /** @param {number} width in pixels of four bytes; WebGPU copies lines at multiples of 256 bytes */
  function pitchOf(width) {
    return Math.ceil((4 * width) / 256) * 256;
  }

  /**
   * The same of a frame, for browsers that do not import it: by a picture of it, which they always make.
   * @param {VideoFrame | HTMLVideoElement} source
   * @param {GPUTexture} texture
   * @param {GPUBuffer} buffer
   */
  async function bringCopy(source, texture, buffer) {
    const bitmap = await createImageBitmap(source, { resizeWidth: texture.width, resizeHeight: texture.height });
    try {
      await bring(bitmap, texture, buffer);
    } finally {
      bitmap.close();
    }
  }

  return { createTexture, bring, bringFrame, bringCopy };
});
