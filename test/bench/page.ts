/** Training in a page of `web`, over the same run in Node. */
import { basename, join } from 'node:path';
import type { Page } from 'playwright-core';
import type { Summary } from '../../src/run/summary.js';
import { packageRoot } from '../../src/util/root.js';
import { checkpointDigests } from '../soak/pages.js';
import { chromiumMissing, ISOLATED } from '../support/browser.js';
import { peersFolder } from './contenders.js';
import { inChromium, onPage, START_TRAINER } from './exported.js';
import { inFolder, launcher, runProgram } from './programs.js';
import { type Figure, ratioOf, spreadOf } from './results.js';

const CONFIG = join(packageRoot, 'configs', 'adding-problem.yaml');
/** One epoch of 200 steps. */
const SET = ['training.num_epochs=1', 'dataset.train_size=10000', 'gates=[]'];

interface Trained {
  /** Milliseconds from the request until the page shows the first step. */
  readonly first: number;
  readonly step: number;
}

/** Starts the trainer as the page does; the first report is sent after the first step. */
const CODE = `${START_TRAINER}
  return await new Promise((resolve, reject) => {
    let [began, first, isTraining] = [0, 0, false];
    const [config] = site.configs;
    trainer.onmessage = ({ data }) => {
      if (data.kind === 'problems') reject(new Error(JSON.stringify(data.problems)));
      if (data.kind === 'report' && began > 0) {
        if (isTraining) first ||= performance.now() - began;
        if (data.report.timings) resolve({ first, step: data.report.timings.ms_per_step });
      }
      if (data.kind !== 'state') return;
      isTraining ||= data.state === 'training';
      if (data.state !== 'ready') return;
      began = performance.now();
      trainer.postMessage({ kind: 'train', config, text: site.texts[config], set: ${JSON.stringify(SET)} });
    };
    trainer.postMessage({ kind: 'open', site, address: location.origin + '/' });
  });`;

/** The times of a training step and until the first one, in one thread. */
export function measurePage(rounds: number, note: (text: string) => void): Promise<readonly Figure[]> {
  return inFolder(async folder => {
    const missing = chromiumMissing();
    if (missing !== undefined) {
      note(`whole/page is not measured: ${missing}`);
      return [];
    }
    const site = join(folder, 'site');
    await runProgram(launcher, ['web', CONFIG, '-o', site]);
    const [ours, theirs, first]: number[][] = [[], [], []];
    for (let round = 0; round < rounds; round++) {
      const trained = await inChromium<Trained>([site], CODE);
      ours.push(trained.step);
      first.push(trained.first);
      const args = ['run', CONFIG, '--portable', '--threads', '1', '--output', folder, '--json'];
      const { stdout } = await runProgram(launcher, [...args, '--set', ...SET]);
      theirs.push(JSON.parse(stdout).ms_per_step);
    }
    return [
      {
        id: 'whole/page',
        what: 'a training step in Chromium, an LSTM of 64 units, batch 50, 100 steps',
        unit: 'ms',
        ours: spreadOf(ours),
        other: { name: 'Node, --portable', value: spreadOf(theirs) },
        ratio: ratioOf(ours, theirs),
      },
      {
        id: 'whole/page-first',
        what: 'from Train to the first step in Chromium, with the data',
        unit: 'ms',
        ours: spreadOf(first),
      },
    ];
  });
}

const REFERENCE = join(packageRoot, 'configs', 'mnist-lstm.yaml');

/** Milliseconds of steps of TensorFlow.js on random batches, by backend; the first one compiles. */
const STEPS_OF_TFJS = `(async () => {
  const load = async src => {
    const script = document.createElement('script');
    await new Promise(resolve => document.head.append(Object.assign(script, { src, onload: resolve })));
  };
  const wasm = '/node_modules/@tensorflow/tfjs-backend-wasm/dist/';
  await load('/node_modules/@tensorflow/tfjs/dist/tf.min.js');
  await load(wasm + 'tf-backend-wasm.min.js');
  tf.wasm.setWasmPaths(wasm);
  globalThis.module = {};
  await load('/tfjs_model.cjs');
  const times = {};
  for (const backend of ['wasm', 'webgl']) {
    if (!(await tf.setBackend(backend))) continue;
    await tf.ready();
    const sizes = { sequence_length: 28, input_size: 28, hidden_size: 128, num_layers: 2, num_classes: 10 };
    const model = module.exports(tf, sizes);
    const x = tf.randomUniform([100, 28, 28]);
    const y = tf.oneHot(tf.randomUniform([100], 0, 10, 'int32'), 10);
    await model.trainOnBatch(x, y);
    times[backend] = [];
    for (let step = 0; step < 5; step++) {
      const began = performance.now();
      await model.trainOnBatch(x, y);
      times[backend].push(performance.now() - began);
    }
  }
  return times;
})()`;

/** Gathers the milliseconds that the main thread of a page was busy at a time, if above 50. */
const OBSERVE = `globalThis.busy = [];
  new PerformanceObserver(list => busy.push(...list.getEntries().map(({ duration }) => duration)))
    .observe({ type: 'longtask' });`;

/**
 * The reference experiment as a user trains it in a tab, with its curves: over Node, how long the
 * page was busy at a time, and a step over one of TensorFlow.js.
 * @param tfjs the folder in which TensorFlow.js was installed; undefined: it is not measured
 * @throws Error if the checkpoints of the page are not those of Node
 */
export function measureReferencePage(
  threads: number,
  tfjs: string | undefined,
  note: (text: string) => void,
): Promise<readonly Figure[]> {
  return inFolder(async folder => {
    const missing = chromiumMissing();
    if (missing !== undefined) {
      note(`whole/page-reference is not measured: ${missing}`);
      return [];
    }
    const site = join(folder, 'site');
    await runProgram(launcher, ['web', REFERENCE, '-o', site]);
    const ours = await onPage('index.html', [site], trainOn, ISOLATED);
    const args = ['run', REFERENCE, '--portable', '--threads', `${threads}`, '--output', folder, '--json'];
    const node = await runProgram(launcher, args);
    const { directory }: Summary = JSON.parse(node.stdout);
    const expected = checkpointDigests(directory);
    if (ours.digests.join() !== expected.join())
      throw new Error(`the page has the checkpoints ${ours.digests.join()} instead of ${expected.join()}`);
    const page = spreadOf([ours.seconds]);
    const figures: Figure[] = [
      {
        id: 'whole/page-reference',
        what: `${basename(REFERENCE)} in Chromium, with its curves and the same checkpoints`,
        unit: 's',
        ours: page,
        other: { name: 'Node, --portable', value: spreadOf([node.seconds]) },
        ratio: ratioOf([ours.seconds], [node.seconds]),
      },
      {
        id: 'whole/page-busy',
        what: 'the longest time that the thread of the page was busy meanwhile, if above 50 ms',
        unit: 'ms',
        ours: spreadOf([Math.max(0, ...ours.busy)]),
      },
    ];
    if (tfjs === undefined) return figures;
    const theirs = await onPage<Readonly<Record<string, number[]>>>(
      '',
      [tfjs, peersFolder],
      page => page.evaluate(STEPS_OF_TFJS),
      ISOLATED,
    );
    for (const [backend, times] of Object.entries(theirs))
      figures.push({
        id: `whole/page-tfjs-${backend}`,
        what: 'a training step in Chromium, two LSTM layers of 128 units, batch 100',
        unit: 'ms',
        ours: spreadOf([ours.step]),
        other: { name: `TensorFlow.js, ${backend}`, value: spreadOf(times) },
        ratio: ratioOf(
          times.map(() => ours.step),
          times,
        ),
      });
    return figures;
  });
}

/** Presses Train, and waits for the end. */
async function trainOn(page: Page) {
  const reaches = (state: string) => page.locator(`[data-state=${state}]`).waitFor({ timeout: 3_600_000 });
  await reaches('ready');
  await page.evaluate(OBSERVE);
  const began = performance.now();
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await reaches('ended');
  const seconds = (performance.now() - began) / 1000;
  const digests = await page.locator('.digests code').allInnerTexts();
  const [, step] = /([\d.]+) ms per step/.exec((await page.locator('main').textContent()) ?? '') ?? [];
  return { seconds, digests, step: Number(step), busy: await page.evaluate<number[]>('busy') };
}
