/** The arguments of `npm run soak`. */
import { parseArgs } from 'node:util';
import { type Diagnostic, usageError } from '../../src/util/errors.js';

export const PARTS = [
  'faults',
  'flips',
  'damages',
  'fuzz',
  'hostile',
  'kills',
  'every-step',
  'signals',
  'sweeps',
  'invariants',
  'memory',
] as const;
export type Part = (typeof PARTS)[number];

export interface SoakOptions {
  readonly help: boolean;
  readonly parts: readonly Part[];
  /** Cases for each target of the fuzzer. */
  readonly cases: number;
  /** Number of the first of them, to see one again. */
  readonly from: number;
  /** Targets whose names match; all of them without it. */
  readonly target: string | undefined;
  readonly seed: number;
  readonly kills: number;
  /** Of the run that is killed after each. */
  readonly steps: number;
  readonly signals: number;
  /** How often sweeps are killed. */
  readonly sweepKills: number;
  /** Trials of such a sweep. */
  readonly trials: number;
  /** Random sequences of what may happen to a run. */
  readonly sequences: number;
  /** Runs at a time. */
  readonly jobs: number;
}

export const HELP = `Usage: npm run soak -- [options]

Tries to lose what a run has written and to break every reader; prints one table of figures, exits 1 on any failure.

  --parts LIST     which of ${PARTS.join(',')} (default: all of them)
  --cases N        damaged inputs for each reader (default 100000)
  --from N         number of the first of these inputs (default 0)
  --target NAME    only this reader, such as npz or config.yaml
  --seed N         another seed, other damage, other moments (default 1)
  --kills N        how often runs are killed at random moments (default 1000)
  --steps N        steps of the run that is killed after each of them (default 200)
  --signals N      how often runs are asked to stop (default 300)
  --sweep-kills N  how often a sweep is killed at random moments (default 50)
  --trials N       trials of that sweep (default 24)
  --sequences N    random sequences of what may happen to a run (default 10000)
  --jobs N         runs at a time (default 2)
`;

const NUMBERS = {
  cases: text('100000'),
  from: text('0'),
  seed: text('1'),
  kills: text('1000'),
  steps: text('200'),
  signals: text('300'),
  'sweep-kills': text('50'),
  trials: text('24'),
  sequences: text('10000'),
  jobs: text('2'),
};

/** Throws UserError (exit 2). */
export function parseOptions(args: readonly string[]): SoakOptions {
  const values = parse(args);
  const problems: Diagnostic[] = [];
  const complain = (message: string, expected: string) =>
    problems.push({ code: 'soak/option', message, expected });
  const whole = (name: keyof typeof NUMBERS, least = 0): number => {
    const number = /^\d{1,9}$/.test(values[name]) ? Number(values[name]) : Number.NaN;
    if (!(number >= least)) complain(`--${name} is '${values[name]}'`, `a whole number from ${least}`);
    return number;
  };
  const parts = values.parts.split(',').filter(isPart);
  if (parts.length !== values.parts.split(',').length)
    complain(`--parts is '${values.parts}'`, `some of ${PARTS.join(',')}`);
  const options = {
    help: values.help,
    parts,
    cases: whole('cases'),
    from: whole('from'),
    target: values.target,
    seed: whole('seed'),
    kills: whole('kills'),
    steps: whole('steps', 1),
    signals: whole('signals'),
    sweepKills: whole('sweep-kills'),
    trials: whole('trials', 1),
    sequences: whole('sequences'),
    jobs: whole('jobs', 1),
  };
  if (problems.length > 0) throw usageError(...problems);
  return options;
}

function isPart(name: string): name is Part {
  return PARTS.some(part => part === name);
}

function text(value: string) {
  return { type: 'string', default: value } as const;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        parts: text(PARTS.join(',')),
        target: { type: 'string' },
        ...NUMBERS,
      },
    }).values;
  } catch (error) {
    const [message] = (error as Error).message.split('. ');
    throw usageError({ code: 'soak/option', message, suggestion: '--help lists the options' });
  }
}
