/** What one training step costs, counted from its programs without running anything. */
import { describePlan, type PlanCosts } from '../../engine/describe.js';
import { makePlan, type Plan } from '../../engine/plan.js';
import { lossOf } from '../../losses/index.js';
import { type StepProgram, stepPrograms } from '../../model/walk.js';
import { type ModelRun, planShards, type ShardJob } from '../step/shards.js';

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
