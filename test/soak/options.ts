/** The arguments of `npm run soak`. */
import { parseArgs } from 'node:util';
import { type Diagnostic, usageError } from '../../src/errors.js';

export const PARTS = ['faults', 'flips', 'fuzz', 'hostile'] as const;
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
}

export const HELP = `Usage: npm run soak -- [options]

Tries to lose what a run has written and to break every reader; prints one table of figures, exits 1 on any failure.

  --parts LIST     which of ${PARTS.join(',')} (default: all of them)
  --cases N        damaged inputs for each reader (default 100000)
  --from N         number of the first of these inputs (default 0)
  --target NAME    only this reader, such as npz or config.yaml
  --seed N         another seed, other damage (default 1)
`;

/** Throws UserError (exit 2). */
export function parseOptions(args: readonly string[]): SoakOptions {
  const values = parse(args);
  const problems: Diagnostic[] = [];
  const complain = (message: string, expected: string) =>
    problems.push({ code: 'soak/option', message, expected });
  const whole = (name: 'cases' | 'from' | 'seed'): number => {
    const text = values[name];
    if (!/^\d{1,9}$/.test(text)) complain(`--${name} is '${text}'`, 'a whole number');
    return Number(text);
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
  };
  if (problems.length > 0) throw usageError(...problems);
  return options;
}

function isPart(name: string): name is Part {
  return PARTS.some(part => part === name);
}

function parse(args: readonly string[]) {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        parts: text(PARTS.join(',')),
        cases: text('100000'),
        from: text('0'),
        target: { type: 'string' },
        seed: text('1'),
      },
    }).values;
  } catch (error) {
    const [message] = (error as Error).message.split('. ');
    throw usageError({ code: 'soak/option', message, suggestion: '--help lists the options' });
  }
}
