/** Time and memory of `predict --input` for a gigabyte, as a whole process. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { inFolder, launcher, runProgram, trainedRun } from './programs.js';
import type { Figure } from './results.js';
import { spreadOf } from './results.js';

const BYTES = 2 ** 30;
const BLOCK = 1000;
/** Of the small file that the model is trained on. */
const TRAINED_BLOCKS = 2;
/** A file of recordings: how each is written, and the keys of the dataset that reads it. */
interface Format {
  readonly head?: string;
  recording(index: number, steps: readonly Step[], label: string): string;
  readonly dataset: object;
}

interface Step {
  readonly a: string;
  readonly b: string;
}

const FORMATS = {
  csv: {
    head: 'recording,t,a,b,label\n',
    recording: (index, steps, label) =>
      steps.map(({ a, b }, t) => `recording-${index},${t},${a},${b},${label}\n`).join(''),
    dataset: {
      features: ['a', 'b'],
      target: 'label',
      target_kind: 'class',
      sequence: { group: 'recording', order: 't' },
    },
  },
  jsonl: {
    recording: (index, steps, label) =>
      `{"id":"recording-${index}","x":[${steps.map(({ a, b }) => `[${a},${b}]`).join()}],"y":"${label}"}\n`,
    dataset: { input: 'x', input_kind: 'number', target: 'y', target_kind: 'class', id: 'id' },
  },
} satisfies Record<string, Format>;

type FormatName = keyof typeof FORMATS;

/** Once: it takes minutes, and its memory hardly differs from that of another one. */
export function measurePredict(format: FormatName, id: string): Promise<Figure[]> {
  return inFolder(async folder => {
    const run = await trained(folder, format);
    const input = join(folder, `input.${format}`);
    writeRecordings(input, format, size => size < BYTES);
    const args = ['predict', run, '--input', input, '--format', 'csv'];
    const { seconds, peakMb } = await runProgram(launcher, args, { keepsOutput: false });
    const what = `./run predict --input of 1 GiB of ${format}, a small LSTM`;
    return [
      { id, what, unit: 's', ours: spreadOf([seconds]) },
      { id: `${id}-rss`, what: 'peak RSS of that prediction', unit: 'MB', ours: spreadOf([peakMb]) },
    ];
  });
}

function trained(folder: string, format: FormatName): Promise<string> {
  const path = join(folder, `train.${format}`);
  let blocks = 0;
  writeRecordings(path, format, () => blocks++ < TRAINED_BLOCKS);
  return trainedRun(folder, {
    dataset: { kind: format, path, test_fraction: 0.2, normalize: 'standard', ...FORMATS[format].dataset },
    model: { cell: 'lstm', hidden_size: 8 },
    training: { num_epochs: 1, batch_size: 64 },
  });
}

/** Recordings of 5 to 24 steps, as long as `wantsMore` of the bytes so far. */
function writeRecordings(path: string, name: FormatName, wantsMore: (size: number) => boolean): void {
  const format: Format = FORMATS[name];
  const file = openSync(path, 'w');
  try {
    let size = format.head === undefined ? 0 : writeSync(file, format.head);
    for (let block = 0; wantsMore(size); block++) {
      const recordings = Array.from({ length: BLOCK }, (_, i) => recording(block * BLOCK + i, format));
      size += writeSync(file, recordings.join(''));
    }
  } finally {
    closeSync(file);
  }
}

function recording(index: number, format: Format): string {
  const steps = Array.from({ length: 5 + (index % 20) }, (_, t) => {
    const [a, b] = [90 + ((index * 31 + t * 17) % 1000) / 50, ((index * 7 + t * 13) % 997) / 997];
    return { a: a.toFixed(6), b: b.toFixed(6) };
  });
  return format.recording(index, steps, index % 3 === 0 ? 'down' : 'up');
}
