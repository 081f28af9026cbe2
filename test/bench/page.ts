/** Training in a page of `web`, over the same run in Node. */
import { join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';
import { chromiumMissing } from '../support/browser.js';
import { inChromium, START_TRAINER } from './exported.js';
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
    let [text, began, first, isTraining] = ['', 0, 0, false];
    const [config] = site.configs;
    trainer.onmessage = ({ data }) => {
      if (data.kind === 'texts') text = data.texts[config];
      if (data.kind === 'problems') reject(new Error(JSON.stringify(data.problems)));
      if (data.kind === 'report' && began > 0) {
        if (isTraining) first ||= performance.now() - began;
        if (data.report.timings) resolve({ first, step: data.report.timings.ms_per_step });
      }
      if (data.kind !== 'state') return;
      isTraining ||= data.state === 'training';
      if (data.state !== 'ready') return;
      began = performance.now();
      trainer.postMessage({ kind: 'train', config, text, set: ${JSON.stringify(SET)} });
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
