/** What a training step costs, and where its time goes. */

import type { LoadedExperiment } from '../config/index.js';
import { CLIP_DISPATCHES, CLIP_NUMBERS } from '../engine/device-arrays.js';
import { linkForDevice } from '../engine/device-plan.js';
import { Engine } from '../engine/index.js';
import { describePlan, keptSize, makePlan, type Plan, type PlanCosts, type Step } from '../engine/plan.js';
import { usedWidth } from '../engine/width.js';
import { sizeOf } from '../math/graph/shape.js';
import { lossOf } from '../math/losses/index.js';
import { countOf, declaredInputs, predictionsOf, widthOf } from '../math/model/inputs.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { type StepProgram, stepPrograms } from '../math/model/runs.js';
import { optimizerOf } from '../math/optimizers/index.js';
import type { ElementFactors } from '../math/optimizers/optimizer.js';
import { ROW, updateProgram } from '../math/optimizers/program.js';
import { parameterGroups } from './groups.js';
import { initialWeights } from './initial-weights.js';
import { planRun } from './plan.js';
import { ShardPool } from './pool.js';
import { createTrainer, type Session } from './session.js';
import { type ModelRun, planShards } from './shards.js';
import { measuredIn } from './trainer.js';

export interface PlannedProgram extends StepProgram {
  readonly plan: Plan;
  readonly costs: PlanCosts;
}

export type StepCosts = ReturnType<typeof stepCosts>;

export function stepCosts(run: ModelRun, batchSize: number) {
  const { shards, job } = planShards(run, batchSize, true);
  const kept = run.backend === 'webasm' || run.backend === 'webgpu' ? keptSize : undefined;
  const steps = stepPrograms(run.spec, lossOf(run.loss), job.shape, kept);
  const programs = steps.map((step): PlannedProgram => {
    const plan = makePlan(step.program);
    return { ...step, plan, costs: describePlan(step.program, plan) };
  });
  const sum = (numberOf: (plannedProgram: PlannedProgram) => number) =>
    programs.reduce((total, program) => total + numberOf(program), 0);
  return {
    shards,
    job,
    programs,
    nodes: sum(({ costs }) => costs.nodes),
    kernels: shards * sum(({ costs, runs }) => costs.kernels * runs),
    flops: shards * sum(({ costs, runs }) => costs.flops * runs),
    /** Bytes of the inputs and buffers of all programs, once per thread that holds them. */
    bytes:
      Math.min(shards, run.threads) *
      sum(({ costs, kept }) => costs.bytes + kept * Float32Array.BYTES_PER_ELEMENT),
  };
}

/**
 * What a step on a GPU runs and copies, the update included; without what is summed or copied
 * between the blocks of a long sequence. Batches are copied there; losses, predictions if metrics
 * are measured in training, the norm of the gradient, sums that show whether the update is finite
 * and one known value are copied back.
 */
export function deviceCosts(
  loaded: LoadedExperiment,
  { spec, loss, metrics }: ModelRun,
  { programs, job: { shape } }: StepCosts,
) {
  const { optimizer } = loaded.experiment;
  const layout = new ParameterLayout(spec);
  const settings = optimizerOf(optimizer);
  const groups = parameterGroups(loaded, layout);
  const factors = Object.keys(groups.factors) as (keyof ElementFactors<unknown>)[];
  const update = makePlan(updateProgram(settings, optimizer, layout.size, factors));
  // results that are one node are computed once and copied
  const dispatchesOf = (plan: Plan) =>
    linkForDevice(plan).steps.length + plan.outputs.size - new Set(plan.outputs.values()).size;
  const accepted = 1 + settings.state(optimizer).length + groups.frozen.length;
  const { sequenceLength: steps, targetLength, batch } = shape;
  const inputs = declaredInputs(spec, lossOf(loss), shape).map(input => {
    return { ...input, count: batch * countOf(input, spec, { steps, targetLength }) * widthOf(input) };
  });
  const losses = inputs.find(({ name }) => name === 'weight')?.count ?? 0;
  const isMeasured = measuredIn({ loss, metrics }).length > 0;
  const predictions = isMeasured ? batch * predictionsOf(spec, steps, targetLength) * spec.outputSize : 0;
  const scalars = Object.keys(settings.scalars(optimizer, 1, 1)).length;
  const numbers = inputs.reduce((sum, { count }) => sum + count, losses + predictions + scalars);
  return {
    dispatches_per_step:
      programs.reduce((sum, { plan, runs }) => sum + runs * dispatchesOf(plan), dispatchesOf(update)) +
      CLIP_DISPATCHES +
      accepted +
      1,
    transferred_bytes_per_step: (numbers + ROW + CLIP_NUMBERS + 1) * Float32Array.BYTES_PER_ELEMENT,
  };
}

export type StepProfile = ReturnType<typeof summarize>;

/** Steps that are not measured: they touch the memory for the first time. */
const WARM_UP = 3;

const UPDATE = 'sum of gradients and update';

/**
 * The fastest time of each call counts: other load only makes it slower. A GPU tells the times of
 * its dispatches.
 */
export async function profileStep(
  loaded: LoadedExperiment,
  session: Session,
  steps: number,
): Promise<StepProfile> {
  const { run, spec } = session;
  const engine = await Engine.start(run.backend, { ...run, profiled: true });
  const pool = await ShardPool.open(run, { engine, isLocal: true });
  const trainer = await createTrainer(loaded, session, pool);
  try {
    trainer.parameters.set(initialWeights(loaded, spec).parameters);
    trainer.write();
    const { order } = planRun(loaded, session);
    const { learning_rate: rate } = loaded.experiment.optimizer;
    let [stepMs, batchMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let step = 1; step <= WARM_UP + steps; step++) {
      if (step === WARM_UP + 1) engine.resetProfile();
      const indices = order.next();
      const began = performance.now();
      const batch = await trainer.prepare(indices, step, true);
      const written = performance.now();
      await trainer.step(batch, step, rate);
      if (step <= WARM_UP) continue;
      batchMs = Math.min(batchMs, written - began);
      stepMs = Math.min(stepMs, performance.now() - written);
    }
    return summarize(engine, session, loaded.experiment.training.batch_size, { steps, stepMs, batchMs });
  } finally {
    await trainer.close();
  }
}

/** What it reads and writes, each array once. */
function bytesOf({ node, operands }: Step): number {
  const arrays = [node, ...operands.filter(operand => typeof operand !== 'number')];
  return arrays.reduce((sum, { shape }) => sum + sizeOf(shape), 0) * Float32Array.BYTES_PER_ELEMENT;
}

function summarize(
  engine: Engine,
  { run }: Session,
  batchSize: number,
  { steps, stepMs, batchMs }: { steps: number; stepMs: number; batchMs: number },
) {
  const { programs } = stepCosts(run, batchSize);
  const programOf = (plan: Plan) => programs.find(program => program.plan === plan)?.name ?? UPDATE;
  const rated = (flops: number, ms: number) => ({ share: ms / stepMs, flops_per_s: (flops / ms) * 1000 });
  const dispatches = [...(engine.device?.profile?.times ?? [])].map(([code, { calls, instances, ms }]) => {
    const sum = (numberOf: (step: Step) => number) =>
      instances * code.steps.reduce((total, step) => total + numberOf(step), 0);
    const rates = rated(
      sum(({ flops }) => flops),
      ms,
    );
    const kernel = code.steps.map(step => step.kernel.name).join(' + ');
    return { program: programOf(code.plan), kernel, calls, ms, ...rates, bytes: sum(bytesOf) };
  });
  const kernels = engine.profiled.flatMap(({ plan, times, runs }) => {
    if (runs === 0) return [];
    const program = programOf(plan);
    const perStep = runs / steps;
    return plan.kernels.map(kernel => {
      const found = { calls: 0, ms: 0, flops: 0, bytes: 0 };
      plan.steps.forEach((step, i) => {
        if (step.kernel !== kernel) return;
        found.calls += perStep;
        found.ms += times[i] * perStep;
        found.flops += step.flops * perStep;
        found.bytes += bytesOf(step) * perStep;
      });
      const { calls, ms, flops, bytes } = found;
      return { program, kernel: kernel.name, calls, ms, ...rated(flops, ms), bytes };
    });
  });
  kernels.push(...dispatches);
  kernels.sort((a, b) => b.ms - a.ms);
  const other = Math.max(0, stepMs - kernels.reduce((sum, { ms }) => sum + ms, 0));
  return {
    version: 1,
    steps,
    /** Bits of vectors; null on a GPU. */
    width: engine.device ? null : usedWidth(run.width, run.arithmetic),
    /** Milliseconds of the fastest step, in one thread; on a GPU with a pass for each dispatch. */
    step_ms: stepMs,
    kernels,
    /** Time outside the kernels: the gradient's norm, copies, calls. */
    other: { ms: other, share: other / stepMs },
    /** Milliseconds to write a batch; with threads, this overlaps with the previous step. */
    batch_ms: batchMs,
  };
}
