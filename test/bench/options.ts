import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { contenderOf } from './contenders.js';

export type BenchOptions = ReturnType<typeof parseOptions>;

export const HELP = `Usage: npm run bench -- [options]

Measures cellrun against gpu.js as shipped, and with --peers against PyTorch and TensorFlow.js,
taking turns round by round; prints our time over theirs.

  --peers           also PyTorch and, with --tfjs, TensorFlow.js
  --torch-variants  with --peers: also PyTorch without oneDNN, and with torch.compile
  --python FILE     the Python that has PyTorch (default /usr/bin/python3)
  --tfjs DIR        a folder in which @tensorflow/tfjs and @tensorflow/tfjs-backend-wasm are installed
  --onnxruntime DIR  a folder in which onnxruntime-web is installed, for --whole
  --against DIR     also another checkout of cellrun, built, such as an older commit's
  --quick           the reference sizes only, short rounds: a smoke test
  --whole           also the whole program: a run of configs/mnist-lstm.yaml, its start, its memory; sweeps; a review of a long log; predictions of 1 GiB; a service of predictions, and with --onnxruntime a step of a session; with --peers, features of recordings
  --gpu             instead of all else, the backend webgpu over PyTorch with cuDNN and over webasm
  --disk            also training on data that stay on the disk
  --gigabytes N     with --disk: how much data (default 8); as much is written, and half a gigabyte
  --dashboard       also how long the dashboard lets one wait
  --only PATTERN    only rows whose id matches this regular expression, such as train_step or ^whole/
  --rounds N        rounds (default 7, at least 5)
  --threads N       threads of the models (default: all cores, 2 at most)
  --json FILE       write everything as JSON
  --check BASELINE  exit 1 where a ratio is worse than in this JSON by more than its noise
  --loosely         with --check: only where it is worse than twice as large
  --markdown        print the tables as Markdown

CELLRUN_NODE=system npm run bench measures with the Node.js on the PATH, CELLRUN_NODE=FILE with another.
`;

/** A median of fewer rounds than this is not worth its name. */
const MIN_ROUNDS = 5;

/** @throws Error for a wrong command line */
export function parseOptions(args: readonly string[]) {
  const flag = { type: 'boolean', default: false } as const;
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { ...flag, short: 'h' },
      peers: flag,
      'torch-variants': flag,
      python: { ...text, default: '/usr/bin/python3' },
      tfjs: text,
      onnxruntime: text,
      against: text,
      quick: flag,
      whole: flag,
      gpu: flag,
      disk: flag,
      gigabytes: { ...text, default: '8' },
      dashboard: flag,
      only: text,
      rounds: { ...text, default: '7' },
      threads: text,
      json: text,
      check: text,
      loosely: flag,
      markdown: flag,
    },
  });
  const whole = (name: 'rounds' | 'threads' | 'gigabytes', least: number): number => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= least) return value;
    throw new Error(`--${name} must be a whole number from ${least}, not '${values[name]}'`);
  };
  const { against, tfjs, only, threads } = values;
  if (against !== undefined && !existsSync(contenderOf(against)))
    throw new Error(`--against is '${against}': not a checkout in which \`npm run build\` has been run`);
  if (tfjs !== undefined && !values.peers) throw new Error('--tfjs is given without --peers');
  return {
    ...values,
    ...{ against, tfjs },
    torchVariants: values['torch-variants'],
    only: only === undefined ? undefined : new RegExp(only),
    rounds: whole('rounds', MIN_ROUNDS),
    threads: threads === undefined ? undefined : whole('threads', 1),
    gigabytes: whole('gigabytes', 1),
  };
}
