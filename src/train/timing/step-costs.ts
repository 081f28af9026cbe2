/** Counts the cost of one training step from its programs, without running anything. */
import { describePlan, type PlanCosts } from '../../engine/describe.js';
import { makePlan, type Plan } from '../../engine/plan.js';
import { lossOf } from '../../math/losses/index.js';
import { type StepProgram, stepPrograms } from '../../math/model/walk.js';
import { type ModelRun, planShards, type ShardJob } from '../step/shards.js';

/** A program of a step, its plan, and the cost of one run. */
export interface PlannedProgram extends StepProgram {
  readonly plan: Plan;
  readonly costs: PlanCosts;
}

/** The cost of one training step, over all shards. */
export interface StepCosts {
  readonly shards: number;
  readonly job: ShardJob;
  readonly programs: readonly PlannedProgram[];
  /** Nodes of the distinct programs. */
  readonly nodes: number;
  readonly kernels: number;
  readonly flops: number;
  /** Bytes of the inputs and buffers of all programs, once per thread that holds them. */
  readonly bytes: number;
  /** Bytes that a step copies to a GPU and back. */
  readonly transferredBytes: number;
}

export function stepCosts(run: ModelRun, batchSize: number): StepCosts {
  const { shards, job } = planShards(run, batchSize, true);
  const programs = stepPrograms(run.spec, lossOf(run.loss), job.shape).map((step): PlannedProgram => {
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
    transferredBytes: shards * sum(({ costs, runs }) => costs.transferredBytes * runs),
    bytes: Math.min(shards, run.threads) * sum(({ costs }) => costs.bytes),
  };
}
