/**
 * A GPU that mirrors the heap: an array has the same address in one buffer of the device. Commands
 * are collected until something is read, so that a training step is one submission.
 */
import { EXIT, UserError, usageError } from '../util/errors.js';
import { formatBytes } from '../util/numbers.js';
import { deviceError, ExecutionError, findAdapter } from './backend.js';
import type { DeviceCode } from './device-plan.js';
import { DeviceProfile } from './device-profile.js';
import type { Heap } from './heap.js';
import { MAX_WORDS, RECORD_BYTES } from './wgsl.js';

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
  /** The longest that it may take to answer: drivers reset a GPU that hangs within seconds. */
  static patienceMs = 300_000;

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
  /** The times of programs, if they are measured; can be replaced by a new one between readings. */
  profile: DeviceProfile<DeviceCode> | undefined;

  private constructor(
    readonly gpu: GPUDevice,
    private readonly heap: Heap,
    profiled: boolean,
  ) {
    if (profiled) this.profile = new DeviceProfile(gpu);
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
      const [problem] = event.error.message.split('\n');
      this.error ??= deviceError('refuses', `the GPU refuses what it is told (${problem})`);
    });
  }

  /** @throws UserError (exit 2) if `profiled` is set and the device has no timestamps */
  static async open(heap: Heap, profiled = false): Promise<Device> {
    const found = await findAdapter();
    if ('missing' in found) throw new ExecutionError(found.missing);
    const { adapter } = found;
    const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
    if (profiled && !adapter.features.has('timestamp-query'))
      throw usageError('graph/profile', 'this GPU has no timestamps to time kernels with', {
        file: '--profile',
        expected: '--backend webasm',
      });
    const gpu = await adapter.requestDevice({
      requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
      requiredFeatures: profiled ? ['timestamp-query'] : [],
    });
    Device.last = new Device(gpu, heap, profiled);
    return Device.last;
  }

  /** The largest heap that fits. */
  static async maxBytes(): Promise<number> {
    const found = await findAdapter();
    return 'missing' in found ? 0 : maxBytesOf(found.adapter);
  }

  /**
   * A function that runs a shader for the instances that its arguments are the records of. The last
   * two, for copies on the heap, are not used.
   */
  instance(code: DeviceCode): (...operands: number[]) => void {
    const { source, words, grid } = code.shader;
    const [x, y, z] = grid;
    return (...operands) => {
      const record = operands.slice(0, -2);
      const instances = record.length / words;
      if (this.profile) this.computing(this.profile.next(code, instances));
      this.dispatch(source, record, [x, y, z * instances]);
      if (this.profile) this.copying();
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
   * @throws UserError if the GPU is gone, hangs or refuses what it is told
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
    this.profile?.resolve(encoder);
    this.submit();
    this.counts.bytes += bytes;
    await this.answered(result.mapAsync(GPUMapMode.READ, 0, result.size));
    await this.profile?.collect();
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

  /** What it holds: bytes, and compiled shaders. */
  get memory(): { readonly heap: number; readonly buffers: number; readonly shaders: number } {
    const buffers = [this.mirror, this.recordBuffer, this.uploads, ...this.results];
    const bytes = buffers.reduce((sum, { size }) => sum + size, 0);
    return { heap: this.heap.usedBytes, buffers: bytes, shaders: this.pipelines.size };
  }

  private async answered(answer: Promise<undefined>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const { patienceMs } = Device;
    const late = new Promise<never>((_, reject) => {
      const seconds = patienceMs / 1000;
      const hang = () => reject(deviceError('hangs', `the GPU has not answered for ${seconds} s`));
      timer = setTimeout(hang, patienceMs);
    });
    try {
      await Promise.race([answer, late]);
    } catch (error) {
      if (!isLoss(error)) throw error;
      const [problem] = (error.message || error.name).split('\n');
      throw deviceError('lost', `the WebGPU device was lost (${problem})`, error);
    } finally {
      clearTimeout(timer);
    }
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

  private computing(timestampWrites?: GPUComputePassTimestampWrites): GPUComputePassEncoder {
    this.mirrored();
    if (timestampWrites) this.copying();
    this.pass ??= this.commands().beginComputePass(timestampWrites && { timestampWrites });
    return this.pass;
  }

  /** The mirror, as large as the heap. */
  private mirrored(): GPUBuffer {
    const { usedBytes } = this.heap;
    if (usedBytes <= this.mirror.size) return this.mirror;
    const most = maxBytesOf(this.gpu);
    if (usedBytes > most) throw tooLarge(usedBytes, most);
    this.mirror = this.grown(this.mirror, Math.min(most, 1.25 * usedBytes), GPUBufferUsage.STORAGE);
    return this.mirror;
  }

  /** A larger buffer with the content of `before`, once all commands so far are submitted. */
  private grown(before: GPUBuffer, bytes: number, usage: number): GPUBuffer {
    const larger = this.buffer(bytes, usage | GPUBufferUsage.COPY_SRC);
    this.copying().copyBufferToBuffer(before, 0, larger, 0, before.size);
    this.submit();
    before.destroy();
    this.group = undefined;
    return larger;
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
      const { recordBuffer: before } = this;
      if (at + RECORD_BYTES > before.size)
        this.recordBuffer = this.grown(before, 2 * before.size, GPUBufferUsage.UNIFORM);
      this.gpu.queue.writeBuffer(this.recordBuffer, at, Uint32Array.from(operands));
      this.records.set(key, at);
    }
    return at;
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

function maxBytesOf({ limits }: GPUAdapter | GPUDevice): number {
  return Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
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
