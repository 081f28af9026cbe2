/** Times dispatches on a GPU that has timestamps. Each is a compute pass of its own then. */

/** Two timestamps each; the most that a query set holds is 4096. */
const PASSES = 2048;
const TIMESTAMP_BYTES = BigUint64Array.BYTES_PER_ELEMENT;

interface Timestamps {
  readonly queries: GPUQuerySet;
  readonly resolved: GPUBuffer;
  readonly copied: GPUBuffer;
}

/** Between two readings, so in a training step. */
export interface DispatchTimes {
  readonly calls: number;
  /** Instances of its kernels, over all calls. */
  readonly instances: number;
  readonly ms: number;
}

export class DeviceProfile<C> {
  /** The fastest of each: other load only makes it slower. */
  readonly times = new Map<C, DispatchTimes>();
  private readonly sets: Timestamps[] = [];
  private passes: { readonly code: C; readonly instances: number }[] = [];

  constructor(private readonly gpu: GPUDevice) {}

  /** What the pass of the next dispatch has to write. */
  next(code: C, instances: number): GPUComputePassTimestampWrites {
    const pass = this.passes.push({ code, instances }) - 1;
    const set = Math.floor(pass / PASSES);
    this.sets[set] ??= this.newSet();
    const at = 2 * (pass % PASSES);
    const { queries: querySet } = this.sets[set];
    return { querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
  }

  /** Adds the last commands of a submission. */
  resolve(encoder: GPUCommandEncoder): void {
    for (const { queries, resolved, copied } of this.used(this.passes.length)) {
      encoder.resolveQuerySet(queries, 0, 2 * PASSES, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, copied, 0, resolved.size);
    }
  }

  /** Takes the times of what has been read. */
  async collect(): Promise<void> {
    const { passes } = this;
    this.passes = [];
    const found = new Map<C, DispatchTimes>();
    for (const [set, { copied }] of this.used(passes.length).entries()) {
      await copied.mapAsync(GPUMapMode.READ, 0, copied.size);
      const stamps = new BigUint64Array(copied.getMappedRange());
      passes.slice(set * PASSES, (set + 1) * PASSES).forEach(({ code, instances }, i) => {
        const { calls, instances: before, ms } = found.get(code) ?? { calls: 0, instances: 0, ms: 0 };
        const passed = Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6;
        found.set(code, { calls: calls + 1, instances: before + instances, ms: ms + passed });
      });
      copied.unmap();
    }
    for (const [code, times] of found)
      if (!(times.ms >= (this.times.get(code)?.ms ?? Number.POSITIVE_INFINITY))) this.times.set(code, times);
  }

  private used(passes: number): Timestamps[] {
    return this.sets.slice(0, Math.ceil(passes / PASSES));
  }

  private newSet(): Timestamps {
    const size = 2 * PASSES * TIMESTAMP_BYTES;
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    return {
      queries: this.gpu.createQuerySet({ type: 'timestamp', count: 2 * PASSES }),
      resolved: this.gpu.createBuffer({ size, usage: QUERY_RESOLVE | COPY_SRC }),
      copied: this.gpu.createBuffer({ size, usage: COPY_DST | MAP_READ }),
    };
  }
}
