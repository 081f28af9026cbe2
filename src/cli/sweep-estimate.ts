/**
 * How long the trials of a sweep will take on this machine, by a probe: a few real training steps of some of its models. A model
 * that was not probed takes the time of one that was, times the ratio of their FLOPs. A sequence of an evaluation counts as a third of
 * one of training, which also goes backward.
 */
import { BatchOrder } from '../data/index.js';
import { chooseBackend } from '../engine/backend.js';
import { ParameterLayout } from '../model/parameters.js';
import type { Point } from '../sweep/space.js';
import { createTrainer, initialParameters, type Session } from '../training/session.js';
import { stepCosts } from '../training/step-programs.js';
import { usableCores } from '../training/threads.js';
import type { BackendOptions } from './options.js';
import type { PointModel, SweepModels } from './sweep-models.js';

/** Models that are probed; of more, these are the first. */
const MOST_PROBES = 4;
const WARM_STEPS = 2;
const PROBE_SECONDS = 0.5;
const MOST_STEPS = 50;

export interface PointEstimate {
  readonly point: Point;
  readonly parameters: number;
  /** Of all epochs with one seed. */
  readonly seconds: number;
}

export interface Estimate {
  readonly points: readonly PointEstimate[];
  /** Models that were really trained for some steps. */
  readonly probes: number;
  /** Different models and batch sizes among the points. */
  readonly models: number;
}

interface Costed {
  readonly session: Session;
  readonly parameters: number;
  readonly flops: number;
}

/** @param threads of one trial */
export async function estimate(
  models: SweepModels,
  points: readonly Point[],
  options: BackendOptions,
): Promise<Estimate> {
  const choice = await chooseBackend(options.backend);
  const threads = options.threads ?? usableCores();
  const costs = new Map<string, Costed>();
  const probes: { readonly flops: number; readonly seconds: number; readonly key: string }[] = [];
  const estimated: PointEstimate[] = [];
  for (const point of points) {
    const model = await models.modelAt(point);
    const key = keyOf(model);
    const costed = costs.get(key) ?? costOf(model, { choice, threads });
    costs.set(key, costed);
    if (probes.length < MOST_PROBES && !probes.some(probe => probe.key === key)) {
      probes.push({ key, flops: costed.flops, seconds: await secondsPerStep(model, costed.session) });
    }
    const probe = probes.find(one => one.key === key) ?? nearestProbe(probes, costed.flops);
    const perStep = (probe.seconds * costed.flops) / probe.flops;
    estimated.push({ point, parameters: costed.parameters, seconds: secondsOfTraining(model, perStep) });
  }
  return { points: estimated, probes: probes.length, models: costs.size };
}

/** What decides the cost of a step. */
function keyOf({ loaded: { experiment }, dataset }: PointModel): string {
  const { model, loss, training, optimizer } = experiment;
  return JSON.stringify([
    { ...model, init_from: undefined },
    loss.kind,
    training.batch_size,
    optimizer.kind,
    dataset.inputSize,
    dataset.sequenceLength,
  ]);
}

function costOf(
  { loaded, dataset, spec, sequenceLength }: PointModel,
  { choice, threads }: { readonly choice: Session['choice']; readonly threads: number },
): Costed {
  const { loss, training } = loaded.experiment;
  const run: Session['run'] = {
    backend: choice.backend,
    threads,
    spec,
    loss: loss.kind,
    sequenceLength,
    variableLength: dataset.train.lengths !== undefined || dataset.test.lengths !== undefined,
  };
  return {
    session: { dataset, spec, choice, run, warnings: [] },
    parameters: new ParameterLayout(spec).size,
    flops: stepCosts(run, training.batch_size).flops,
  };
}

/** The median of some steps after the first, which compile; what else the machine does slows some of them only. */
async function secondsPerStep({ loaded, dataset, spec }: PointModel, session: Session): Promise<number> {
  const { training, optimizer, seed } = loaded.experiment;
  const trainer = await createTrainer(loaded, session);
  try {
    trainer.parameters.set(initialParameters(loaded, spec));
    const order = new BatchOrder({
      count: dataset.train.count,
      batchSize: training.batch_size,
      shuffle: training.shuffle,
      lastBatch: training.last_batch,
      seed,
    });
    const measured: number[] = [];
    let spent = 0;
    for (let step = 1; measured.length < MOST_STEPS && spent < PROBE_SECONDS; step++) {
      const began = performance.now();
      await trainer.step(trainer.prepare(order.next()), step, optimizer.learning_rate);
      const seconds = (performance.now() - began) / 1000;
      if (step <= WARM_STEPS) continue;
      measured.push(seconds);
      spent += seconds;
    }
    return measured.toSorted((a, b) => a - b)[Math.floor(measured.length / 2)];
  } finally {
    await trainer.close();
  }
}

function nearestProbe<T extends { readonly flops: number }>(probes: readonly T[], flops: number): T {
  const distance = (probe: T): number => Math.abs(Math.log(probe.flops / flops));
  return probes.reduce((best, probe) => (distance(probe) < distance(best) ? probe : best));
}

function secondsOfTraining({ loaded: { experiment }, dataset }: PointModel, perStep: number): number {
  const { num_epochs, batch_size, last_batch, max_steps } = experiment.training;
  const batches = dataset.train.count / batch_size;
  const perEpoch = last_batch === 'drop' ? Math.floor(batches) : Math.ceil(batches);
  const steps = Math.min(num_epochs * perEpoch, max_steps ?? Number.POSITIVE_INFINITY);
  const evaluation = ((perStep / batch_size) * dataset.test.count) / 3;
  return perStep * steps + evaluation * Math.ceil(steps / perEpoch);
}
