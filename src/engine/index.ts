import { fs } from '../host/index.js';
import type { ArrayOperations } from '../math/graph/arrays.js';
import type { Program } from '../math/graph/node.js';
import { WebAssembly } from '../util/webassembly.js';
import type { Arithmetic } from './arithmetic.js';
import { type Executable, openPipelines, PipelineExecutable } from './backend.js';
import type { Backend } from './backend-names.js';
import { Device } from './device.js';
import { DeviceArrays, RehearsedArrays } from './device-arrays.js';
import { type DeviceCode, linkForDevice } from './device-plan.js';
import { DeviceProfile } from './device-profile.js';
import { Heap, MAX_PAGES } from './heap.js';
import { gpuLibrary } from './kernels.js';
import { checkKernels, type LinkedPlan, linkForHeap, WidthError } from './link.js';
import { LinkedExecutable, LinkedRuntime } from './linked-executable.js';
import { makePlan, type Plan } from './plan.js';
import type { MachineTarget } from './simd-compile.js';
import { machineTarget, missingFor512, narrower, type Width, widthOf } from './width.js';

/** Address space that V8 reserves for a memory and its threads: 13 GiB in Node 20, 9 in Node 24. */
const ADDRESS_SPACE = 14e9;

/** A heap in a new memory; a thread joins it with a `Heap` of the same memory. */
export function newHeap(): Heap {
  // V8 would abort the process when a thread starts
  if (addressSpaceLimit() < ADDRESS_SPACE) {
    throw new RangeError('WebAssembly.Memory(): the address space of this process is limited');
  }
  return new Heap(new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true }));
}

function addressSpaceLimit(): number {
  try {
    const [, limit] = /^Max address space +(\d+)/m.exec(fs.readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** The times of a program's kernels. */
export interface ProfiledPlan {
  readonly plan: Plan;
  /** Milliseconds of each step of the plan, in the run in which it was fastest. */
  readonly times: Float64Array;
  readonly runs: number;
}

/** Compiles programs for one backend until it is closed. */
export class Engine {
  private readonly pipelines: PipelineExecutable[] = [];
  readonly runtime: LinkedRuntime;
  private readonly linked = new WeakMap<Program, LinkedPlan>();
  private readonly timed: { readonly plan: Plan; readonly linked: LinkedExecutable }[] = [];
  private isProfiled = false;
  private target: MachineTarget | undefined;
  /** Why vectors are narrower than asked for, or measured; undefined if they are not. */
  narrowed: string | undefined;

  private constructor(
    readonly backend: Backend,
    readonly heap: Heap,
    /** Runs pipelines of gpu.js. */
    private readonly shipped: Awaited<ReturnType<typeof openPipelines>> | undefined,
    /** Runs kernels on webgpu. */
    readonly device: Device | undefined,
    private readonly onDevice: LinkedRuntime<DeviceCode> | undefined,
  ) {
    this.runtime = LinkedRuntime.ofHeap(heap);
  }

  /** Prepares what an engine on webasm needs, once per process; optional. */
  static prepare(width?: Width, arithmetic?: Arithmetic): void {
    gpuLibrary();
    machineTarget(width, arithmetic);
  }

  /**
   * Starts an engine for programs that compute in `heap`, and on webasm are compiled for `width`
   * and `arithmetic`, by default the fastest on this machine, and timed kernel by kernel if
   * `profiled`.
   */
  static async start(
    backend: Backend,
    {
      heap = newHeap(),
      width,
      arithmetic,
      profiled = false,
    }: {
      readonly heap?: Heap;
      readonly width?: Width | undefined;
      readonly arithmetic?: Arithmetic | undefined;
      readonly profiled?: boolean;
    } = {},
  ): Promise<Engine> {
    if (backend === 'webgpu') {
      const device = await Device.open(heap, profiled);
      const arrays = new DeviceArrays(device, length => heap.allocate(length));
      const onDevice = new LinkedRuntime<DeviceCode>(heap, code => device.instance(code), arrays);
      return new Engine(backend, heap, undefined, device, onDevice);
    }
    const shipped = backend === 'webasm' ? undefined : await openPipelines(backend);
    const engine = new Engine(backend, heap, shipped, undefined, undefined);
    if (engine.links) engine.aimAt(width, arithmetic);
    engine.isProfiled = profiled && engine.links;
    return engine;
  }

  /** An engine that allocates what one on webgpu does, without a device: it computes nothing. */
  static rehearsal(): Engine {
    const heap = newHeap();
    const arrays = new RehearsedArrays(heap);
    const onDevice = new LinkedRuntime<DeviceCode>(heap, () => () => {}, arrays);
    return new Engine('webgpu', heap, undefined, undefined, onDevice);
  }

  /** Whether programs are linked: compiled once, and run over the heap by any thread. */
  get links(): boolean {
    return this.backend === 'webasm';
  }

  get arrays(): ArrayOperations<Float32Array> {
    return (this.onDevice ?? this.runtime).arrays;
  }

  compile(program: Program): Executable {
    if (this.onDevice) return new LinkedExecutable(this.onDevice, linkForDevice(makePlan(program)));
    if (this.links) {
      const linked = new LinkedExecutable(this.runtime, this.link(program));
      if (this.isProfiled) this.timed.push({ plan: makePlan(program), linked });
      return linked;
    }
    const { gpu, mode } = this.shipped!;
    const plan = makePlan(program);
    checkKernels(plan);
    const pipeline = new PipelineExecutable(gpu, mode, plan);
    this.pipelines.push(pipeline);
    return pipeline;
  }

  /** The program compiled for the heap; only if the engine `links`. */
  link(program: Program): LinkedPlan {
    const known = this.linked.get(program) ?? this.linkChecked(makePlan(program));
    this.linked.set(program, known);
    return known;
  }

  private linkChecked(plan: Plan): LinkedPlan {
    try {
      return linkForHeap(plan, this.target!, (step, pair) => this.runtime.agree(step, pair));
    } catch (error) {
      const target = narrower(this.target!);
      if (!(error instanceof WidthError) || !target) throw error;
      const [width, less] = [this.target!, target].map(widthOf);
      this.target = target;
      const problem = `kernel ${error.kernel} computes different values at ${width} bits on this machine`;
      this.narrowed = `${problem}; the run uses ${less} bits`;
      return this.linkChecked(plan);
    }
  }

  private aimAt(width: Width | undefined, arithmetic: Arithmetic | undefined): void {
    this.target = machineTarget(width, arithmetic);
    const missing = width === 512 ? missingFor512(arithmetic) : undefined;
    if (missing) this.narrowed = `no vectors of 512 bits: ${missing}; the run uses ${this.target.width} bits`;
  }

  /** The times since `resetProfile`, if the engine is `profiled`. */
  get profiled(): readonly ProfiledPlan[] {
    return this.timed.flatMap(({ plan, linked: { profile } }) => (profile ? [{ plan, ...profile }] : []));
  }

  resetProfile(): void {
    if (this.device) this.device.profile = new DeviceProfile(this.device.gpu);
    for (const { plan, linked } of this.timed) {
      linked.profile = { times: new Float64Array(plan.steps.length).fill(Number.POSITIVE_INFINITY), runs: 0 };
    }
  }

  /** Releases all compiled programs and, on webgpu, the device: the process can end. */
  async close(): Promise<void> {
    for (const pipeline of this.pipelines.splice(0)) await pipeline.destroy();
    await this.shipped?.gpu.destroy();
    this.device?.close();
  }
}
