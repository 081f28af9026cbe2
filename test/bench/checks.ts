/**
 * A training step over the calibration kernel in the same threads: no other program is needed, and
 * a slower machine moves both, so that CI can hold it to a limit.
 */
import { cpus } from 'node:os';
import { benchCase, REFERENCE } from './cases.js';
import { LEARNING_RATE, modelRun, openTrainer, randomSplit } from './contenders/model.js';
import type { Figure } from './results.js';
import { medianOf, ratioOf, spreadOf } from './results.js';

/** Steps between two looks at the calibration kernel: both see the same minute. */
const CALIBRATED_STEPS = 5;

export async function measureCalibrated(threads: number, rounds: number): Promise<Figure> {
  const one = benchCase('train_step', { ...REFERENCE, threads });
  const split = await randomSplit(one);
  const trainer = await openTrainer(one, split, modelRun(one, split, threads));
  try {
    const indices = Uint32Array.from({ length: one.batch_size }, (_, i) => i);
    let made = 0;
    const round = async () => {
      const steps: number[] = [];
      const kernels: number[] = [];
      for (let i = 0; i < CALIBRATED_STEPS; i++) {
        const batch = await trainer.prepare(indices, ++made, true);
        const began = performance.now();
        await trainer.step(batch, made, LEARNING_RATE);
        steps.push(performance.now() - began);
        kernels.push(await trainer.calibrate());
      }
      return [medianOf(steps), medianOf(kernels)] as const;
    };
    await round();
    const isDisturbed = watchOthers(threads);
    const measured: (readonly [number, number])[] = [];
    for (let i = 0; i < rounds; i++) measured.push(await round());
    const disturbed = isDisturbed() ? ({ disturbed: true } as const) : {};
    const [steps, kernels] = [0, 1].map(at => measured.map(pair => pair[at]));
    return {
      id: 'step/calibration',
      what: 'training step',
      unit: 'ms',
      ours: spreadOf(steps),
      other: { name: 'calibration kernel', value: spreadOf(kernels) },
      ratio: ratioOf(steps, kernels),
      ...disturbed,
    };
  } finally {
    await trainer.close();
  }
}

/** Number of cores that other programs may use before they slow the threads down. */
const MAX_TAKEN = 0.2;

/**
 * Returns a function that says whether other programs left fewer than `threads` cores free since
 * this call. If so, the ratio means nothing: the threads of a step wait for the slowest one, while
 * the short calibration kernel is rarely interrupted.
 */
function watchOthers(threads: number): () => boolean {
  const busy = () =>
    cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);
  const before = { time: performance.now(), busy: busy(), own: process.cpuUsage() };
  return () => {
    const { user, system } = process.cpuUsage(before.own);
    const others = busy() - before.busy - (user + system) / 1000;
    return others / (performance.now() - before.time) > cpus().length - threads + MAX_TAKEN;
  };
}
