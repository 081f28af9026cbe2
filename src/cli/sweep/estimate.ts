/**
 * Estimates how long the trials of a sweep will take on this machine from probes: a few real
 * training steps of some of its models. Times of other models are scaled from the nearest probe by
 * FLOPs. Evaluating a sequence counts as a third of training on it, which also has a backward pass.
 * The start of a process is measured too: of the program by running another process, of the model
 * by the probe.
 */
import { spawn } from 'node:child_process';
import type { LoadedExperiment } from '../../config/index.js';
import { chooseBackend } from '../../engine/backend.js';
import type { PointModel, SweepModels } from '../../library/sweep-models.js';
import { ParameterLayout } from '../../math/model/parameters.js';
import type { Point } from '../../sweep/space.js';
import { batchOrder, totalSteps } from '../../train/run/batch-plan.js';
import type { BackendOptions } from '../../train/run/session.js';
import { createTrainer, initialParameters, type Session, sessionWith } from '../../train/run/session.js';
import { stepCosts } from '../../train/timing/step-costs.js';
import { programFile } from '../../util/root.js';

/** Maximum number of models to probe, in order. */
const MAX_PROBES = 4;
const WARM_STEPS = 2;
const PROBE_SECONDS = 0.5;
const MAX_STEPS = 50;

export interface PointEstimate {
  readonly point: Point;
  readonly parameters: number;
  /** Time for all epochs with one seed, including the start of each process. */
  readonly seconds: number;
}

export interface Estimate {
  readonly points: readonly PointEstimate[];
  /** Number of probed models. */
  readonly probes: number;
  /** Number of different models and batch sizes. */
  readonly models: number;
  /** Mean seconds before the first step of a process. */
  readonly start: number;
}

interface Probe {
  readonly key: string;
  readonly flops: number;
  readonly perStep: number;
  /** Extra seconds before steps reach their normal speed. */
  readonly warmUp: number;
}

export interface Starts {
  /** Seconds to start the program. */
  readonly program: number;
  /** Number of successive processes that train a trial with one seed. */
  processesOf(trial: number): number;
}

interface Costed {
  readonly session: Session;
  readonly parameters: number;
  readonly flops: number;
}

/** @param options backend, and threads of one trial */
export async function estimate(
  models: SweepModels,
  points: readonly Point[],
  options: BackendOptions,
  starts: Starts,
): Promise<Estimate> {
  const choice = await chooseBackend(options.backend);
  const costs = new Map<string, Costed>();
  const probes: Probe[] = [];
  const estimated: PointEstimate[] = [];
  for (const [trial, point] of points.entries()) {
    const model = await models.modelAt(point);
    const key = keyOf(model);
    const costed = costs.get(key) ?? costOf(model, { choice, threads: options.threads });
    costs.set(key, costed);
    if (probes.length < MAX_PROBES && !probes.some(probe => probe.key === key)) {
      probes.push({ key, flops: costed.flops, ...(await probed(model.loaded, costed.session)) });
    }
    const probe = probes.find(one => one.key === key) ?? nearestProbe(probes, costed.flops);
    const perStep = (probe.perStep * costed.flops) / probe.flops;
    const start = starts.program + probe.warmUp;
    estimated.push({
      point,
      parameters: costed.parameters,
      seconds: starts.processesOf(trial) * start + secondsOfTraining(model, costed.session, perStep),
    });
  }
  const warmUp = probes.reduce((sum, probe) => sum + probe.warmUp, 0) / Math.max(1, probes.length);
  return { points: estimated, probes: probes.length, models: costs.size, start: starts.program + warmUp };
}

/** Points with the same key have the same cost per step. */
function keyOf({ loaded: { experiment }, dataset }: PointModel): string {
  const { model, loss, training, optimizer } = experiment;
  return JSON.stringify([
    { ...model, init_from: undefined },
    loss.kind,
    training.batch_size,
    optimizer.kind,
    dataset.input,
    dataset.sequenceLength,
  ]);
}

function costOf({ loaded, dataset }: PointModel, machine: Parameters<typeof sessionWith>[2]): Costed {
  const session = sessionWith(loaded, dataset, machine);
  const { flops } = stepCosts(session.run, loaded.experiment.training.batch_size);
  return { session, parameters: new ParameterLayout(session.spec).size, flops };
}

/**
 * Measures some steps after the first ones, which compile. Uses the median, since other load slows
 * only some of them.
 */
async function probed(
  loaded: LoadedExperiment,
  session: Session,
): Promise<Pick<Probe, 'perStep' | 'warmUp'>> {
  const started = performance.now();
  let warm = started;
  const trainer = await createTrainer(loaded, session);
  try {
    trainer.parameters.set(initialParameters(loaded, session.spec));
    const order = batchOrder(loaded, session);
    const { learning_rate } = loaded.experiment.optimizer;
    const measured: number[] = [];
    let spent = 0;
    for (let step = 1; measured.length < MAX_STEPS && spent < PROBE_SECONDS; step++) {
      const began = performance.now();
      await trainer.step(await trainer.prepare(order.next(), step, step === 1), step, learning_rate);
      const seconds = (performance.now() - began) / 1000;
      if (step <= WARM_STEPS) {
        warm = performance.now();
        continue;
      }
      measured.push(seconds);
      spent += seconds;
    }
    const perStep = measured.toSorted((a, b) => a - b)[Math.floor(measured.length / 2)];
    return { perStep, warmUp: Math.max(0, (warm - started) / 1000 - WARM_STEPS * perStep) };
  } finally {
    await trainer.close();
  }
}

function nearestProbe<T extends { readonly flops: number }>(probes: readonly T[], flops: number): T {
  const distance = (probe: T): number => Math.abs(Math.log(probe.flops / flops));
  return probes.reduce((best, probe) => (distance(probe) < distance(best) ? probe : best));
}

/** @param session a session of the same model, perhaps with other data */
function secondsOfTraining({ loaded, dataset }: PointModel, session: Session, perStep: number): number {
  const order = batchOrder(loaded, { ...session, dataset });
  const steps = totalSteps(loaded, order);
  const evaluation = ((perStep / loaded.experiment.training.batch_size) * dataset.test.count) / 3;
  return perStep * steps + evaluation * Math.ceil(steps / order.batchesPerEpoch);
}

interface StartOptions extends BackendOptions {
  readonly config: string;
  /** `key.path=value`. */
  readonly set: readonly string[];
}

/**
 * Seconds before a trial's process starts to train, measured with a process that does the same and
 * ends: `graph` for one of the configs.
 */
export async function secondsToStart({ config, set, backend, threads }: StartOptions): Promise<number> {
  const program = programFile('cli/main.js');
  const flags = [
    ...['--backend', backend],
    ...(threads === undefined ? [] : ['--threads', String(threads)]),
    ...set.flatMap(argument => ['--set', argument]),
  ];
  const began = performance.now();
  const child = spawn(process.execPath, [program, 'graph', config, ...flags], { stdio: 'ignore' });
  await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  return (performance.now() - began) / 1000;
}
