/** What was promised, and whether it holds. */
import { benchCase, REFERENCE } from './cases.js';
import { type Results, ratiosOf } from './results.js';

export type Verdict = 'aim reached' | 'floor reached' | 'missed' | 'not measured';

export interface Target {
  readonly what: string;
  readonly floor: number;
  readonly aim: number;
  readonly unit: '' | 's' | 'MB';
  /** The measured value; smaller is better. */
  value(results: Results): number | undefined;
}

export interface Judged extends Omit<Target, 'value'> {
  readonly measured: number | undefined;
  readonly verdict: Verdict;
}

const ratio = (id: (threads: number) => string) => (results: Results) =>
  ratiosOf(results).get(id(results.threads))?.median;

/** A ratio whose name says what it was compared with; the first that begins so. */
const ratioAgainst = (prefix: string) => (results: Results) =>
  [...ratiosOf(results)].find(([id]) => id.startsWith(prefix))?.[1].median;

const figure = (id: string) => (results: Results) => results.figures.find(one => one.id === id)?.ours.median;

const reference = (benchmark: 'train_step' | 'evaluate' | 'matmul', other: string) => (threads: number) =>
  `${benchCase(benchmark, { ...REFERENCE, threads }).id} : ${other}`;

const TARGETS: readonly Target[] = [
  {
    what: 'training step of the reference experiment over PyTorch CPU, same threads',
    floor: 3,
    aim: 1.5,
    unit: '',
    value: ratio(reference('train_step', 'PyTorch')),
  },
  {
    what: 'training step of the reference experiment over TensorFlow.js wasm',
    floor: 1 / 18,
    aim: 1 / 30,
    unit: '',
    value: ratio(reference('train_step', 'TensorFlow.js')),
  },
  {
    what: 'gate product 100 x 512 x 256, one thread, over gpu.js as shipped',
    floor: 1 / 12,
    aim: 1 / 18,
    unit: '',
    value: ratio(reference('matmul', 'gpu.js')),
  },
  {
    what: 'evaluation of 10,000 images over PyTorch CPU',
    floor: 3,
    aim: 1.5,
    unit: '',
    value: ratio(reference('evaluate', 'PyTorch')),
  },
  {
    what: 'whole run of configs/mnist-lstm.yaml over the PyTorch program',
    floor: 2.5,
    aim: 1.2,
    unit: '',
    value: ratioAgainst('whole/run : '),
  },
  {
    what: 'start of ./run to first training step done',
    floor: 3,
    aim: 1.5,
    unit: 's',
    value: figure('whole/start'),
  },
  {
    what: 'peak RSS of the reference run',
    floor: 500,
    aim: 300,
    unit: 'MB',
    value: figure('whole/peak-rss'),
  },
  {
    what: 'RSS after 10,000 steps over RSS after 500',
    floor: 1.05,
    aim: 1.01,
    unit: '',
    value: ratioAgainst('soak/rss : '),
  },
];

export function judge(results: Results): Judged[] {
  return TARGETS.map(({ value, ...target }) => {
    const measured = value(results);
    return { ...target, measured, verdict: verdictOf(measured, target) };
  });
}

export function verdictOf(
  measured: number | undefined,
  { floor, aim }: Pick<Target, 'floor' | 'aim'>,
): Verdict {
  if (measured === undefined) return 'not measured';
  if (measured <= aim) return 'aim reached';
  return measured <= floor ? 'floor reached' : 'missed';
}
