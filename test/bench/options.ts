import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Diagnostic, usageError, usageErrors } from '../../src/util/errors.js';
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
const DEFAULT_ROUNDS = 7;
const DEFAULT_GIGABYTES = 8;

/** Throws UserError (exit 2), all mistakes at once. */
export function parseOptions(args: readonly string[]) {
  const values = parse(args);
  const problems: Diagnostic[] = [];
  const complain = (message: string, expected: string) =>
    problems.push({ code: 'bench/option', message, expected });
  const whole = (name: 'rounds' | 'threads' | 'gigabytes', least: number): number | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    const value = Number(text);
    if (/^\d{1,4}$/.test(text) && value >= least) return value;
    complain(`--${name} is '${text}'`, `a whole number from ${least}`);
    return undefined;
  };
  let only: RegExp | undefined;
  try {
    only = values.only === undefined ? undefined : new RegExp(values.only);
  } catch {
    complain(`--only is '${values.only}'`, 'a regular expression');
  }
  if (values.against !== undefined && !existsSync(contenderOf(values.against))) {
    complain(`--against is '${values.against}'`, 'a checkout in which `npm run build` has been run');
  }
  if (values.tfjs !== undefined && !values.peers) complain('--tfjs is given without --peers', '--peers');
  const options = {
    ...values,
    only,
    rounds: whole('rounds', MIN_ROUNDS) ?? DEFAULT_ROUNDS,
    threads: whole('threads', 1),
    gigabytes: whole('gigabytes', 1) ?? DEFAULT_GIGABYTES,
  };
  if (problems.length > 0) throw usageErrors(problems);
  return options;
}

function parse(args: readonly string[]) {
  const flag = { type: 'boolean', default: false } as const;
  const text = { type: 'string' } as const;
  try {
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
        gigabytes: text,
        dashboard: flag,
        only: text,
        rounds: text,
        threads: text,
        json: text,
        check: text,
        loosely: flag,
        markdown: flag,
      },
    });
    const { tfjs, onnxruntime, against, only, rounds, threads, gigabytes, json, check } = values;
    const torchVariants = values['torch-variants'];
    return {
      ...values,
      torchVariants,
      tfjs,
      onnxruntime,
      against,
      only,
      rounds,
      threads,
      gigabytes,
      json,
      check,
    };
  } catch (error) {
    const [message] = (error as Error).message.split('. ');
    throw usageError('bench/option', message, { suggestion: '--help lists the options' });
  }
}
