/** What only the whole program shows: a run from start to end, its start, its memory. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Summary } from '../../src/run/summary.js';
import { peersFolder } from './contenders.js';
import { type Finished, inFolder, launcher, mnistFolder, runProgram } from './programs.js';
import type { Figure } from './results.js';
import { ratioOf, spreadOf } from './results.js';

const CONFIG = 'configs/mnist-lstm.yaml';
/** A whole run takes a minute or two and averages over 1,200 steps by itself. */
const WHOLE_ROUNDS = 3;
const EPOCHS = 2;
/** A run of one step misses its gate. */
const GATE_MISSED = 3;

function runReference<R>(
  settings: readonly string[],
  threads: number,
  use: (finished: Finished, output: string) => R,
  backend = 'webasm',
): Promise<R> {
  return inFolder(async output => {
    const set = settings.flatMap(setting => ['--set', setting]);
    const flags = ['--threads', `${threads}`, '--backend', backend, '--output', output];
    const args = ['run', CONFIG, ...set, ...flags, '--json', '--quiet'];
    return use(await runProgram(launcher, args, { allowed: [GATE_MISSED] }), output);
  });
}

/** From starting the launcher to the first `train.step` in the log, both by the machine's clock. */
export async function measureStart(threads: number, rounds: number): Promise<Figure> {
  // what is missing or out of date is built now, not in a measurement
  await runProgram(launcher, ['--help']);
  const seconds: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const took = ({ started }: Finished, output: string) => (firstStep(output) - started) / 1000;
    seconds.push(await runReference(['training.max_steps=1'], threads, took));
  }
  return { id: 'whole/start', what: './run to first training step done', unit: 's', ours: spreadOf(seconds) };
}

/** When the only run below `output` logged its first training step, in milliseconds. */
function firstStep(output: string): number {
  const names = readdirSync(output, { recursive: true, encoding: 'utf8' });
  const log = readFileSync(join(output, names.find(name => name.endsWith('log.jsonl')) ?? ''), 'utf8');
  const line = log.split('\n').find(one => one.includes('"event":"train.step"')) ?? '';
  return Date.parse(JSON.parse(line).time);
}

/** @param python undefined: the PyTorch program is not run */
export async function measureRuns(
  threads: number,
  python: string | undefined,
  note: (text: string) => void,
): Promise<Figure[]> {
  const loader = python === undefined ? undefined : await torchLoader(python);
  if (python !== undefined && loader === undefined)
    note('whole/run: PyTorch is not there, so nothing is compared');
  if (loader === 0)
    note('whole/run: torchvision is not there; the PyTorch program gathers its batches from memory');
  const ours: number[] = [];
  const theirs: number[] = [];
  const memory: number[] = [];
  for (let round = 0; round < WHOLE_ROUNDS; round++) {
    await runReference([], threads, ({ seconds, stdout }) => {
      ours.push(seconds);
      memory.push((JSON.parse(stdout) as Summary).peak_rss_mb);
    });
    if (python === undefined || loader === undefined) continue;
    const args = ['--epochs', `${EPOCHS}`, '--threads', `${threads}`, '--loader', `${loader}`];
    const program = [join(peersFolder, 'torch_mnist.py'), mnistFolder(), ...args];
    theirs.push((await runProgram(python, program)).seconds);
  }
  const name = loader === 1 ? 'PyTorch with its data loader' : 'PyTorch, batches from memory';
  return [
    {
      id: 'whole/run',
      what: `./run ${CONFIG}`,
      unit: 's',
      ours: spreadOf(ours),
      ...(theirs.length > 0 && { other: { name, value: spreadOf(theirs) }, ratio: ratioOf(ours, theirs) }),
    },
    { id: 'whole/peak-rss', what: 'peak RSS of that run', unit: 'MB', ours: spreadOf(memory) },
  ];
}

/** The reference run on a GPU, over the same one on webasm and over PyTorch on that GPU. */
export async function measureGpuRuns(
  threads: number,
  python: string,
  note: (text: string) => void,
): Promise<Figure[]> {
  const cuda = ['--epochs', `${EPOCHS}`, '--threads', `${threads}`, '--cuda'];
  const theirs = [join(peersFolder, 'torch_mnist.py'), mnistFolder(), ...cuda];
  const seconds = { gpu: [] as number[], webasm: [] as number[], torch: [] as number[] };
  for (let round = 0; round < WHOLE_ROUNDS; round++) {
    const took = (finished: Finished) => finished.seconds;
    seconds.gpu.push(await runReference([], threads, took, 'webgpu'));
    seconds.webasm.push(await runReference([], threads, took));
    await runProgram(python, theirs).then(
      finished => seconds.torch.push(took(finished)),
      (error: Error) => note(`gpu/run: ${error.message}`),
    );
  }
  const { gpu, webasm, torch } = seconds;
  const figure = (name: string, others: readonly number[]): Figure => ({
    ...{ id: 'gpu/run', what: `./run ${CONFIG} --backend webgpu`, unit: 's', ours: spreadOf(gpu) },
    ...(others.length > 0 && { other: { name, value: spreadOf(others) }, ratio: ratioOf(gpu, others) }),
  });
  return [figure('webasm', webasm), figure('PyTorch with CUDA', torch)];
}

/**
 * 1 with torchvision, whose data loader the original program used; 0 with PyTorch alone; undefined
 * without it.
 */
async function torchLoader(python: string): Promise<0 | 1 | undefined> {
  const imports = (name: string) =>
    runProgram(python, ['-c', `import ${name}`]).then(
      () => true,
      () => false,
    );
  if (!(await imports('torch'))) return undefined;
  return (await imports('torchvision')) ? 1 : 0;
}
