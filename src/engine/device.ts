/**
 * A GPU that mirrors the heap: an array has the same address in one buffer of the device. Commands
 * are collected until something is read, so that a training step is one submission.
 */
import { EXIT, UserError } from '../util/errors.js';
import { formatBytes } from '../util/numbers.js';
import { DeviceLostError, ExecutionError, findAdapter } from './backend.js';
import type { Heap } from './heap.js';
import { MAX_WORDS, RECORD_BYTES, type Shader } from './wgsl.js';

const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT;
const MIN_BYTES = 2 ** 20;

/** What has been done since the device was opened, or since the counts were set to 0. */
export interface DeviceCounts {
  dispatches: number;
  submissions: number;
  /** Copied to the device and back. */
  bytes: number;
}

export class Device {
  /** Opened last; for tests. */
  static last: Device | undefined;

  readonly counts: DeviceCounts = { dispatches: 0, submissions: 0, bytes: 0 };
  private readonly layout: GPUBindGroupLayout;
  private readonly pipelines = new Map<string, GPUComputePipeline>();
  private readonly records = new Map<string, number>();
  private mirror: GPUBuffer;
  private recordBuffer: GPUBuffer;
  private recordBytes = 0;
  private group: GPUBindGroup | undefined;
  private encoder: GPUCommandEncoder | undefined;
  private pass: GPUComputePassEncoder | undefined;
  /** What is copied to the mirror by the commands of the next submission. */
  private uploads: GPUBuffer;
  private uploadedBytes = 0;
  private readonly results: GPUBuffer[] = [];
  private error: Error | undefined;

  private constructor(
    readonly gpu: GPUDevice,
    private readonly heap: Heap,
  ) {
    const { STORAGE, UNIFORM, COPY_SRC } = GPUBufferUsage;
    this.layout = gpu.createBindGroupLayout({
      entries: [
        { binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: { type: 'storage' } },
        {
          binding: 1,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: 'uniform', hasDynamicOffset: true, minBindingSize: RECORD_BYTES },
        },
      ],
    });
    this.mirror = this.buffer(MIN_BYTES, STORAGE | COPY_SRC);
    this.recordBuffer = this.buffer(MIN_BYTES, UNIFORM | COPY_SRC);
    this.uploads = this.buffer(MIN_BYTES, COPY_SRC);
    gpu.addEventListener('uncapturederror', event => {
      event.preventDefault();
      this.error ??= new ExecutionError(event.error.message);
    });
  }

  static async open(heap: Heap): Promise<Device> {
    const found = await findAdapter();
    if ('missing' in found) throw new ExecutionError(found.missing);
    const { adapter } = found;
    const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
    const gpu = await adapter.requestDevice({
      requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
    });
    Device.last = new Device(gpu, heap);
    return Device.last;
  }

  /** The largest heap that fits. */
  get maxBytes(): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.gpu.limits;
    return Math.min(maxBufferSize, maxStorageBufferBindingSize);
  }

  /**
   * A function that runs a shader for the instances that its arguments are the records of. The last
   * two, for copies on the heap, are not used.
   */
  instance({ source, words, grid: [x, y, z] }: Shader): (...operands: number[]) => void {
    return (...operands) => {
      const record = operands.slice(0, -2);
      this.dispatch(source, record, [x, y, z * (record.length / words)]);
    };
  }

  /** Runs a shader in `grid` workgroups; arrays are given by their addresses. */
  dispatch(
    source: string,
    operands: readonly number[],
    grid: readonly [x: number, y?: number, z?: number],
  ): void {
    const pipeline = this.pipeline(source);
    const record = this.record(operands);
    const pass = this.computing();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, this.bindings(), [record]);
    pass.dispatchWorkgroups(...grid);
    this.counts.dispatches++;
  }

  private pipeline(source: string): GPUComputePipeline {
    let pipeline = this.pipelines.get(source);
    if (!pipeline) {
      pipeline = this.gpu.createComputePipeline({
        layout: this.gpu.createPipelineLayout({ bindGroupLayouts: [this.layout] }),
        compute: { module: this.gpu.createShaderModule({ code: source }) },
      });
      this.pipelines.set(source, pipeline);
    }
    return pipeline;
  }

  /** Copies from the heap to the device. */
  write(arrays: readonly Float32Array[]): void {
    for (const array of arrays) {
      const { at } = this.spanOf(array);
      const bytes = array.byteLength;
      if (bytes === 0) continue;
      if (this.uploadedBytes + bytes > this.uploads.size) {
        this.submit();
        if (bytes > this.uploads.size) {
          this.uploads.destroy();
          this.uploads = this.buffer(2 * bytes, GPUBufferUsage.COPY_SRC);
        }
      }
      const mirror = this.mirrored();
      // Dawn can't read shared memory
      this.gpu.queue.writeBuffer(this.uploads, this.uploadedBytes, new Float32Array(array));
      this.copying().copyBufferToBuffer(this.uploads, this.uploadedBytes, mirror, at, bytes);
      this.uploadedBytes += bytes;
      this.counts.bytes += bytes;
    }
  }

  /**
   * Submits all commands and copies arrays from the device to the heap.
   * @throws DeviceLostError if the GPU is gone
   */
  async read(arrays: readonly Float32Array[]): Promise<void> {
    const bytes = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const mirror = this.mirrored();
    const encoder = this.copying();
    const result = this.resultBuffer(bytes);
    let offset = 0;
    for (const array of arrays) {
      encoder.copyBufferToBuffer(mirror, this.spanOf(array).at, result, offset, array.byteLength);
      offset += array.byteLength;
    }
    this.submit();
    this.counts.bytes += bytes;
    try {
      await result.mapAsync(GPUMapMode.READ, 0, result.size);
    } catch (error) {
      throw isLoss(error) ? new DeviceLostError(error) : error;
    }
    if (this.error) throw this.error;
    const values = new Float32Array(result.getMappedRange());
    let first = 0;
    for (const array of arrays) {
      array.set(values.subarray(first, first + array.length));
      first += array.length;
    }
    result.unmap();
    this.results.push(result);
  }

  close(): void {
    this.gpu.destroy();
  }

  /** Submits the commands so far. */
  private submit(): void {
    this.pass?.end();
    if (this.encoder) {
      this.gpu.queue.submit([this.encoder.finish()]);
      this.counts.submissions++;
    }
    this.encoder = undefined;
    this.pass = undefined;
    this.uploadedBytes = 0;
  }

  private commands(): GPUCommandEncoder {
    this.encoder ??= this.gpu.createCommandEncoder();
    return this.encoder;
  }

  private copying(): GPUCommandEncoder {
    this.pass?.end();
    this.pass = undefined;
    return this.commands();
  }

  private computing(): GPUComputePassEncoder {
    this.mirrored();
    this.pass ??= this.commands().beginComputePass();
    return this.pass;
  }

  /** The mirror, as large as the heap. */
  private mirrored(): GPUBuffer {
    const { usedBytes } = this.heap;
    if (usedBytes <= this.mirror.size) return this.mirror;
    if (usedBytes > this.maxBytes) throw tooLarge(usedBytes, this.maxBytes);
    const { STORAGE, COPY_SRC } = GPUBufferUsage;
    const before = this.mirror;
    this.mirror = this.buffer(Math.min(this.maxBytes, 1.25 * usedBytes), STORAGE | COPY_SRC);
    this.copying().copyBufferToBuffer(before, 0, this.mirror, 0, before.size);
    this.submit();
    before.destroy();
    this.group = undefined;
    return this.mirror;
  }

  /** The offset of a record with `operands`, which is written once. */
  private record(operands: readonly number[]): number {
    if (operands.length > MAX_WORDS) throw new Error(`a record has ${operands.length} numbers`);
    const key = operands.join();
    let at = this.records.get(key);
    if (at === undefined) {
      at = this.recordBytes;
      const { minUniformBufferOffsetAlignment: step } = this.gpu.limits;
      this.recordBytes += Math.ceil((operands.length * FLOAT_BYTES) / step) * step;
      if (at + RECORD_BYTES > this.recordBuffer.size) this.growRecords();
      this.gpu.queue.writeBuffer(this.recordBuffer, at, Uint32Array.from(operands));
      this.records.set(key, at);
    }
    return at;
  }

  private growRecords(): void {
    const { UNIFORM, COPY_SRC } = GPUBufferUsage;
    const before = this.recordBuffer;
    this.submit();
    this.recordBuffer = this.buffer(2 * before.size, UNIFORM | COPY_SRC);
    this.copying().copyBufferToBuffer(before, 0, this.recordBuffer, 0, before.size);
    this.submit();
    before.destroy();
    this.group = undefined;
  }

  private bindings(): GPUBindGroup {
    this.group ??= this.gpu.createBindGroup({
      layout: this.layout,
      entries: [
        { binding: 0, resource: { buffer: this.mirror } },
        { binding: 1, resource: { buffer: this.recordBuffer, size: RECORD_BYTES } },
      ],
    });
    return this.group;
  }

  private resultBuffer(bytes: number): GPUBuffer {
    const at = this.results.findIndex(({ size }) => size >= bytes);
    if (at >= 0) return this.results.splice(at, 1)[0];
    this.results.pop()?.destroy();
    return this.buffer(Math.max(bytes, 4 * FLOAT_BYTES), GPUBufferUsage.MAP_READ);
  }

  private buffer(bytes: number, usage: number): GPUBuffer {
    const size = Math.ceil(bytes / 16) * 16;
    return this.gpu.createBuffer({ size, usage: usage | GPUBufferUsage.COPY_DST });
  }

  spanOf(array: Float32Array) {
    const span = this.heap.spanOf(array);
    if (!span) throw new Error('an array outside of the heap has no mirror');
    return span;
  }
}

function tooLarge(bytes: number, most: number): UserError {
  return new UserError(EXIT.usage, [
    {
      code: 'engine/device-memory',
      message: `the model and its batches need ${formatBytes(bytes)}, more than a kernel can read on this GPU`,
      expected: `at most ${formatBytes(most)}: a smaller training.batch_size or model.hidden_size, or --backend webasm`,
    },
  ]);
}

/** The names that gpu.js and Dawn use for it. */
const LOST = /device (was |is )?(lost|destroyed)|lost device/i;

/**
 * Reads in progress fail with an AbortError without a message (WebGPU, mapAsync); nothing else
 * aborts a read.
 */
function isLoss(error: unknown): error is Error {
  return error instanceof Error && (error.name === 'AbortError' || LOST.test(error.message));
}
