/** The programs that one training step of a shard runs, for counting and printing them without running anything. */
import { describePlan, type PlanCosts } from '../engine/describe.js';
import { makePlan, type Plan } from '../engine/plan.js';
import type { Program } from '../graph/node.js';
import type { LossName } from '../losses/index.js';
import { segmentProgram } from '../model/programs.js';
import { cutIntoSegments } from '../model/segments.js';
import type { ModelSpec } from '../model/spec.js';
import { counted } from '../words.js';
import type { ShardShape } from './shard.js';
import { type ModelRun, planShards, type ShardJob } from './shards.js';

export interface StepProgram {
  readonly name: string;
  readonly program: Program;
  /** How often a step runs it. */
  readonly runs: number;
}

/** The same programs as `Shard.addGradient` runs. */
export function stepPrograms(spec: ModelSpec, loss: LossName, shape: ShardShape): StepProgram[] {
  const segments = cutIntoSegments(shape.sequenceLength, spec.numLayers);
  const found = new Map<string, StepProgram>();
  const add = (name: string, make: () => Program) => {
    const known = found.get(name);
    found.set(name, known ? { ...known, runs: known.runs + 1 } : { name, program: make(), runs: 1 });
  };
  segments.forEach(({ steps }, i) => {
    const last = i === segments.length - 1;
    const hasLoss = last || spec.head === 'every';
    const options = { ...shape, steps, carriesState: segments.length > 1 };
    const backward = last ? 'from-loss' : 'from-states';
    if (!last) {
      add(`forward over ${counted(steps, 'step')}`, () =>
        segmentProgram(spec, loss, { ...options, hasLoss: false, gradient: false }),
      );
    }
    add(`gradient over ${counted(steps, 'step')} (${backward})`, () =>
      segmentProgram(spec, loss, { ...options, hasLoss, gradient: backward }),
    );
  });
  return [...found.values()];
}

/** A program of a step with its plan and what one run of it costs. */
export interface PlannedProgram extends StepProgram {
  readonly plan: Plan;
  readonly costs: PlanCosts;
}

/** What one training step costs, all shards together. */
export interface StepCosts {
  readonly shards: number;
  readonly job: ShardJob;
  readonly programs: readonly PlannedProgram[];
  /** Nodes of the distinct programs. */
  readonly nodes: number;
  readonly kernels: number;
  readonly flops: number;
  /** Inputs and buffers of all programs, as often as threads hold them. */
  readonly bytes: number;
}

export function stepCosts(run: ModelRun, batchSize: number): StepCosts {
  const { shards, job } = planShards(run, batchSize, true);
  const programs = stepPrograms(run.spec, run.loss, job.shape).map((step): PlannedProgram => {
    const plan = makePlan(step.program);
    return { ...step, plan, costs: describePlan(step.program, plan) };
  });
  const sum = (of: (one: PlannedProgram) => number) => programs.reduce((total, one) => total + of(one), 0);
  return {
    shards,
    job,
    programs,
    nodes: sum(({ costs }) => costs.nodes),
    kernels: shards * sum(({ costs, runs }) => costs.kernels * runs),
    flops: shards * sum(({ costs, runs }) => costs.flops * runs),
    bytes: Math.min(shards, run.threads) * sum(({ costs }) => costs.bytes),
  };
}
