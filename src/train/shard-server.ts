/** Computes shards on request, in a thread or beside other work. */
import type { Backend } from '../engine/backend-names.js';
import type { WasmMemory } from '../engine/heap.js';
import type { LinkedPlan } from '../engine/link.js';
import {
  KernelMachine,
  LinkedExecutable,
  type LinkedRuntime,
  type ProgramCompiler,
} from '../engine/linked-executable.js';
import { openShard, ShardComputer, type ShardJob, type ShardMemory } from './shards.js';
import { CALIBRATION, CalibrationKernel } from './timing.js';

/** What a computing thread is started with. */
export interface ThreadSetup {
  readonly backend: Backend;
  /** True if the thread is sent linked programs; otherwise it compiles them itself. */
  readonly links: boolean;
  readonly memory: WasmMemory;
  readonly parameters: Float32Array;
}

export type ShardRequest =
  | { readonly group: number; readonly job: ShardJob; readonly slots: Group['slots'] }
  | { readonly group: number; readonly plans: readonly (readonly [key: string, plan: LinkedPlan])[] }
  | { readonly group: number; readonly slot: number; readonly shards: readonly number[] }
  | { readonly calibrate: LinkedPlan | undefined };

export type ThreadReply = { readonly result: number | null } | { readonly error: Error };

interface Group {
  readonly machine: KernelMachine;
  readonly computer: ShardComputer;
  readonly slots: readonly (readonly ShardMemory[])[];
}

export class ShardServer {
  private readonly groups = new Map<number, Group>();
  private kernel: CalibrationKernel | undefined;
  /** Settles when all requests so far are done. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly backend: Backend,
    private readonly runtime: LinkedRuntime,
    private readonly parameters: Float32Array,
    /** Compiles programs that are not sent linked. */
    private readonly compiler: () => Promise<ProgramCompiler>,
  ) {}

  /** Handles requests one at a time, in order. Returns the milliseconds of a calibration. */
  handle(request: ShardRequest): Promise<number | null> {
    const result = this.last.then(() => this.answer(request));
    this.last = result.catch(() => {});
    return result;
  }

  private async answer(request: ShardRequest): Promise<number | null> {
    if ('calibrate' in request) {
      this.kernel ??= await this.calibration(request.calibrate);
      return this.kernel.measure();
    }
    if ('job' in request) {
      const machine = new KernelMachine(await this.compiler());
      const slots = request.slots.map(shards => shards.map(one => openShard(one, this.runtime.heap)));
      this.groups.set(request.group, { machine, computer: new ShardComputer(machine, request.job), slots });
      return null;
    }
    const { machine, computer, slots } = this.groups.get(request.group) as Group;
    if ('plans' in request) for (const [key, plan] of request.plans) this.addPlan(machine, key, plan);
    else
      for (const shard of request.shards) await computer.compute(this.parameters, slots[request.slot][shard]);
    return null;
  }

  private async calibration(plan: LinkedPlan | undefined): Promise<CalibrationKernel> {
    const machine = new KernelMachine(await this.compiler());
    if (plan) this.addPlan(machine, CALIBRATION.key, plan);
    return new CalibrationKernel(this.backend, machine);
  }

  private addPlan(machine: KernelMachine, key: string, plan: LinkedPlan): void {
    machine.add(key, new LinkedExecutable(this.runtime, plan));
  }
}
