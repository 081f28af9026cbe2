/**
 * The plan of a run: the order of its batches, its steps, learning rates and log interval, and
 * early stopping, whose decisions depend only on recorded metrics, so that a resumed run makes the
 * same ones. Also what a training step costs, and where its time goes.
 */
import type { EarlyStopping, Experiment, LoadedExperiment } from '../config/index.js';
import { BatchOrder } from '../data/index.js';
import { Engine } from '../engine/index.js';
import { describePlan, makePlan, type Plan, type PlanCosts } from '../engine/plan.js';
import { sizeOf } from '../math/graph/shape.js';
import { lossOf } from '../math/losses/index.js';
import { largerIsBetter } from '../math/metrics/index.js';
import { type StepProgram, stepPrograms } from '../math/model/walk.js';
import { rateOf } from '../math/schedules/index.js';
import type { EventFields } from '../run/events.js';
import type { Position } from './loop.js';
import { ShardPool } from './pool.js';
import { createTrainer, initialParameters, type Session } from './session.js';
import { type ModelRun, planShards } from './shards.js';

export type RunPlan = ReturnType<typeof planRun>;

/**
 * The order of the batches, from the start or from a position, and the steps of the whole run.
 * Earlier epochs may have had other batches.
 */
export function planRun(
  { experiment: { training, seed } }: LoadedExperiment,
  { dataset }: Session,
  at?: Pick<Position, 'step' | 'order'>,
) {
  const options = {
    count: dataset.train.count,
    batchSize: training.batch_size,
    shuffle: training.shuffle,
    lastBatch: training.last_batch,
    seed,
    lengths: dataset.train.lengths,
    bucketByLength: training.bucket_by_length,
  };
  const order = at ? BatchOrder.restore(options, at.order) : new BatchOrder(options);
  const { batchesPerEpoch } = order;
  const { max_steps: most = Number.POSITIVE_INFINITY, num_epochs } = training;
  const left = (num_epochs - order.epoch) * batchesPerEpoch - order.position;
  return { order, batchesPerEpoch, totalSteps: Math.min(most, (at?.step ?? 0) + left) };
}

/** Minimum number of logged steps, if the run has that many. */
const MIN_LOGGED = 200;

/** Default interval between logged steps: 1, 2 or 5 times a power of ten. */
export function defaultLogEvery(totalSteps: number): number {
  const most = totalSteps / MIN_LOGGED;
  if (!(most >= 1)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].map(digit => digit * power).find(every => every <= most) ?? power;
}

/** `metrics` is the history of the watched metrics; none outside a run. */
export function learningRates(
  { optimizer }: Pick<Experiment, 'optimizer'>,
  { totalSteps, batchesPerEpoch }: Pick<RunPlan, 'totalSteps' | 'batchesPerEpoch'>,
  metrics?: MetricHistory,
): (update: number) => number {
  const { learning_rate, schedule } = optimizer;
  const history = () => (schedule?.kind === 'plateau' && metrics ? metrics.of(schedule.metric) : []);
  return update =>
    rateOf(learning_rate, schedule, {
      update,
      totalUpdates: totalSteps,
      updatesPerEpoch: batchesPerEpoch,
      history,
    });
}

export interface Measurement {
  readonly update: number;
  readonly value: number;
}

export type EarlyStop = Omit<EventFields['early_stop'], 'epoch' | 'step'>;

/**
 * The reason to stop: the last `patience` evaluations did not improve. A value improves if it is
 * better than the best by more than `min_delta`; a value that is not finite never improves.
 */
export function earlyStop(history: readonly Measurement[], settings: EarlyStopping): EarlyStop | undefined {
  const { metric, min_delta } = settings;
  const sign = largerIsBetter(metric) ? 1 : -1;
  let best = Number.NaN;
  let stale = 0;
  for (const { value } of history) {
    const improves = Number.isFinite(value) && (Number.isNaN(best) || sign * (value - best) > min_delta);
    if (improves) best = value;
    stale = improves ? 0 : stale + 1;
  }
  if (!(stale >= settings.patience)) return undefined;
  return { metric, value: history.at(-1)?.value ?? Number.NaN, best, patience: stale };
}

export function watchedMetrics({ training, optimizer }: Experiment): ReadonlySet<string> {
  const { early_stopping } = training;
  const { schedule } = optimizer;
  return new Set([
    ...(early_stopping ? [early_stopping.metric] : []),
    ...(schedule?.kind === 'plateau' ? [schedule.metric] : []),
  ]);
}

/** The history of the watched metrics: their values at every evaluation so far, by name. */
export class MetricHistory {
  private readonly series: Map<string, Measurement[]>;

  constructor(metrics: Iterable<string> = []) {
    this.series = new Map([...metrics].map(name => [name, []]));
  }

  /** Adds a value of each watched metric; NaN if it was not measured. */
  add(update: number, measured: (metric: string) => number | undefined): void {
    for (const [name, values] of this.series) values.push({ update, value: measured(name) ?? Number.NaN });
  }

  get metrics(): Iterable<string> {
    return this.series.keys();
  }

  of(metric: string): readonly Measurement[] {
    return this.series.get(metric) ?? [];
  }

  restore(saved: SavedHistory): void {
    for (const [name, values] of this.series) {
      const earlier = saved[name] ?? [];
      values.splice(
        0,
        values.length,
        ...earlier.map(([update, value]) => ({ update, value: value ?? Number.NaN })),
      );
    }
  }

  /** The history for a checkpoint, without metrics that have no value yet. */
  get saved(): SavedHistory {
    const entries = [...this.series].filter(([, values]) => values.length > 0);
    return Object.fromEntries(
      entries.map(([name, values]) => [
        name,
        values.map(({ update, value }) => [update, Number.isFinite(value) ? value : null] as const),
      ]),
    );
  }
}

/** By metric: update and value of each evaluation; null for a value that is not finite. */
export type SavedHistory = Readonly<
  Record<string, readonly (readonly [update: number, value: number | null])[]>
>;

export interface PlannedProgram extends StepProgram {
  readonly plan: Plan;
  readonly costs: PlanCosts;
}

export type StepCosts = ReturnType<typeof stepCosts>;

export function stepCosts(run: ModelRun, batchSize: number) {
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
    /** Bytes that a step copies to a GPU and back. */
    transferredBytes: shards * sum(({ costs, runs }) => costs.transferredBytes * runs),
    /** Bytes of the inputs and buffers of all programs, once per thread that holds them. */
    bytes: Math.min(shards, run.threads) * sum(({ costs }) => costs.bytes),
  };
}

export type StepProfile = ReturnType<typeof summarize>;

/** Steps that are not measured: they touch the memory for the first time. */
const WARM_UP = 3;

const UPDATE = 'sum of gradients and update';

/** The fastest time of each call counts: other load only makes it slower. */
export async function profileStep(
  loaded: LoadedExperiment,
  session: Session,
  steps: number,
): Promise<StepProfile> {
  const { run, spec } = session;
  const engine = await Engine.start(run.backend, { width: run.width, profiled: true });
  const pool = await ShardPool.open(run, { engine, isLocal: true });
  const trainer = await createTrainer(loaded, session, pool);
  try {
    trainer.parameters.set(initialParameters(loaded, spec));
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

function summarize(
  engine: Engine,
  { run }: Session,
  batchSize: number,
  { steps, stepMs, batchMs }: { steps: number; stepMs: number; batchMs: number },
) {
  const { programs } = stepCosts(run, batchSize);
  const kernels = engine.profiled.flatMap(({ plan, times, runs }) => {
    if (runs === 0) return [];
    const program = programs.find(one => one.plan === plan)?.name ?? UPDATE;
    const perStep = runs / steps;
    return plan.kernels.map(kernel => {
      const found = { calls: 0, ms: 0, flops: 0, bytes: 0 };
      plan.steps.forEach((step, i) => {
        if (step.kernel !== kernel) return;
        const arrays = [step.node, ...step.operands.flatMap(one => (typeof one === 'number' ? [] : [one]))];
        found.calls += perStep;
        found.ms += times[i] * perStep;
        found.flops += step.flops * perStep;
        const elements = arrays.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
        found.bytes += elements * Float32Array.BYTES_PER_ELEMENT * perStep;
      });
      const { calls, ms, flops, bytes } = found;
      const rates = { share: ms / stepMs, flops_per_s: (flops / ms) * 1000 };
      // `bytes` that its calls read and write count each array once per call
      return { program, kernel: kernel.name, calls, ms, ...rates, bytes };
    });
  });
  kernels.sort((a, b) => b.ms - a.ms);
  const other = Math.max(0, stepMs - kernels.reduce((sum, { ms }) => sum + ms, 0));
  return {
    version: 1,
    steps,
    width: run.width ?? 128,
    /** Milliseconds of the fastest step, in one thread. */
    step_ms: stepMs,
    kernels,
    /** Time outside the kernels: the gradient's norm, copies, calls. */
    other: { ms: other, share: other / stepMs },
    /** Milliseconds to write a batch; with threads, this overlaps with the previous step. */
    batch_ms: batchMs,
  };
}
