/**
 * How long the trials of a sweep will take on this machine, by a probe: a few real training steps of some of its models. A model
 * that was not probed takes the time of one that was, times the ratio of their FLOPs. A sequence of an evaluation counts as a third of
 * one of training, which also goes backward.
 */
import type { LoadedExperiment } from '../config/index.js';
import { chooseBackend } from '../engine/backend.js';
import { ParameterLayout } from '../model/parameters.js';
import type { Point } from '../sweep/space.js';
import { batchOrder, totalSteps } from '../training/batch-plan.js';
import { createTrainer, initialParameters, type Session, sessionWith } from '../training/session.js';
import { stepCosts } from '../training/step-programs.js';
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
  const costs = new Map<string, Costed>();
  const probes: { readonly flops: number; readonly seconds: number; readonly key: string }[] = [];
  const estimated: PointEstimate[] = [];
  for (const point of points) {
    const model = await models.modelAt(point);
    const key = keyOf(model);
    const costed = costs.get(key) ?? costOf(model, { choice, threads: options.threads });
    costs.set(key, costed);
    if (probes.length < MOST_PROBES && !probes.some(probe => probe.key === key)) {
      probes.push({ key, flops: costed.flops, seconds: await secondsPerStep(model.loaded, costed.session) });
    }
    const probe = probes.find(one => one.key === key) ?? nearestProbe(probes, costed.flops);
    const perStep = (probe.seconds * costed.flops) / probe.flops;
    estimated.push({
      point,
      parameters: costed.parameters,
      seconds: secondsOfTraining(model, costed.session, perStep),
    });
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

function costOf({ loaded, dataset }: PointModel, machine: Parameters<typeof sessionWith>[2]): Costed {
  const session = sessionWith(loaded, dataset, machine);
  const { flops } = stepCosts(session.run, loaded.experiment.training.batch_size);
  return { session, parameters: new ParameterLayout(session.spec).size, flops };
}

/** The median of some steps after the first, which compile; what else the machine does slows some of them only. */
async function secondsPerStep(loaded: LoadedExperiment, session: Session): Promise<number> {
  const trainer = await createTrainer(loaded, session);
  try {
    trainer.parameters.set(initialParameters(loaded, session.spec));
    const order = batchOrder(loaded, session);
    const { learning_rate } = loaded.experiment.optimizer;
    const measured: number[] = [];
    let spent = 0;
    for (let step = 1; measured.length < MOST_STEPS && spent < PROBE_SECONDS; step++) {
      const began = performance.now();
      await trainer.step(trainer.prepare(order.next()), step, learning_rate);
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

/** `session` is of the same model, perhaps with other data: `perStep` seconds are the model's, the number of steps is the point's. */
function secondsOfTraining({ loaded, dataset }: PointModel, session: Session, perStep: number): number {
  const order = batchOrder(loaded, { ...session, dataset });
  const steps = totalSteps(loaded, order);
  const evaluation = ((perStep / loaded.experiment.training.batch_size) * dataset.test.count) / 3;
  return perStep * steps + evaluation * Math.ceil(steps / order.batchesPerEpoch);
}
